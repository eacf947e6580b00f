"""The inner loop: what is executed and asked does not depend on who watches, and an environment is held to its word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mmact_eval.lazy_images import LazyImages
from mmact_eval.protocols import Env
from mmact_eval.rollout import run_episode
from mmact_eval.specs import ActionSpec, EnvSpec, PolicySpec
from mmact_eval.suite import Disturbance, Protocol
from mmact_eval.transforms.disturbance import DisturbedEnv
from mmact_eval.types import Episode, EpisodeResult, Observation, PolicyOutput, Query

ACTION = ActionSpec(dim=1, control="position_delta")
EPISODE = Episode("s", "t", 0, 0)


class Interrupting:
    """A counter that stops after the steps named: in the middle of a chunk, or saying so at its end.

    Attributes:
        executed: the actions.
        disturbed: after how many steps.
    """

    def __init__(self, stops: Sequence[int] = (), success: int | None = None) -> None:
        self.interface = EnvSpec("counter", {}, "", {}, ACTION, disturbable=True)
        self._stops, self._success = stops, success

    def begin(self, episode: Episode) -> Observation:
        self.executed: list[float] = []
        self.disturbed: list[int] = []
        return self._observe()

    def step_chunk(self, actions: NDArray[np.float32]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        done, success, interrupted = 0, False, False
        for action in actions:
            self.executed.append(float(action[0]))
            done += 1
            success = len(self.executed) == self._success
            interrupted = len(self.executed) in self._stops
            if success or interrupted:
                break
        info = {"steps": done, "interrupted": interrupted}
        return self._observe(), 0.0, success, False, info

    def disturb(self, rng: np.random.Generator, metres: float) -> str:
        self.disturbed.append(len(self.executed))
        return "moved"

    def scene_hash(self) -> str:
        return "scene"

    def state_hash(self) -> str:
        return f"{self.executed} {self.disturbed}"

    def render(self) -> NDArray[np.uint8]:
        return np.zeros((1, 1, 3), np.uint8)

    def close(self) -> None: ...

    def _observe(self) -> Observation:
        return Observation({}, {"steps": np.array([float(len(self.executed))])}, "count")


class Planning:
    """Answers 100 × the query's number + 0, 1, 2, …"""

    def __init__(self, chunk: int) -> None:
        self.spec = PolicySpec("planning", ACTION, chunk)
        self.asked: list[tuple[int, float]] = []

    def reset(self, episodes: Sequence[Episode]) -> None: ...

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        (query,) = queries
        self.asked.append((query.index, float(query.observation.state["steps"][0])))
        actions = 100 * query.index + np.arange(self.spec.chunk)
        return [PolicyOutput(actions[:, np.newaxis].astype(np.float32))]


class Watching:
    def __init__(self, stride: int | None) -> None:
        self.stride = stride
        self.seen: list[float] = []

    def on_begin(self, episode: Episode, env: Env, observation: Observation) -> None: ...

    def on_query(self, query: Query, output: PolicyOutput) -> None: ...

    def on_steps(self, env: Env, actions: NDArray[np.float32], observation: Observation) -> None:
        self.seen += list(actions[:, 0])

    def on_end(self, result: EpisodeResult) -> Mapping[str, str]:
        return {}


def watched(env: Env, chunk: int, max_steps: int, strides: Sequence[int | None]) -> tuple[Any, ...]:
    """What happened, as far as it must not depend on the observers."""
    policy, observers = Planning(chunk), [Watching(stride) for stride in strides]
    result = run_episode(env, policy, EPISODE, Protocol(max_steps=max_steps), observers)
    executed = list(env.executed)  # type: ignore[attr-defined]
    assert all(observer.seen == executed for observer in observers)
    return result.reproducible(), policy.asked, executed


@settings(deadline=None)
@given(
    chunk=st.integers(1, 12),
    stops=st.sets(st.integers(1, 30)),
    success=st.none() | st.integers(1, 30),
    max_steps=st.integers(1, 30),
    strides=st.lists(st.none() | st.integers(1, 13), max_size=3),
    disturbed=st.booleans(),
)
def test_actions_queries_and_result_are_the_same_whoever_watches(
    chunk: int,
    stops: set[int],
    success: int | None,
    max_steps: int,
    strides: list[int | None],
    disturbed: bool,
) -> None:
    def env() -> Env:
        inner = Interrupting(sorted(stops), success)
        happens = Disturbance(first_step=0, last_step=20, metres=0.1)
        return DisturbedEnv(inner, happens) if disturbed else inner

    assert watched(env(), chunk, max_steps, strides) == watched(env(), chunk, max_steps, [])


@pytest.mark.parametrize("strides", [[], [5], [1], [None, 2]])
@pytest.mark.parametrize("disturbed", [False, True])
def test_a_policy_is_asked_anew_where_an_environment_stops(strides: list[int | None], disturbed: bool) -> None:
    env: Env = Interrupting(stops=[3, 5])
    if disturbed:
        env = DisturbedEnv(env, Disturbance(first_step=4, last_step=4, metres=0.1))
    _, asked, executed = watched(env, 8, 10, strides)
    assert executed == [0, 1, 2, 100, 101, 200, 201, 202, 203, 204]
    assert asked == [(0, 0), (1, 3), (2, 5)]


class ThreeAtMost(Interrupting):
    """Executes three of whatever it is given."""

    def step_chunk(self, actions: NDArray[np.float32]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        return super().step_chunk(actions[:3])


@pytest.mark.parametrize("strides", [[], [5], [4, None]])
def test_no_stale_action_is_executed_after_fewer_than_were_given(strides: list[int]) -> None:
    assert watched(ThreeAtMost(), 8, 7, strides)[2] == [0, 1, 2, 100, 101, 102, 200]


@pytest.mark.parametrize("says", [0, -1, 5, 2.0, True, "2", None])
@pytest.mark.parametrize("disturbed", [False, True])
def test_an_environment_that_miscounts_its_steps_is_an_error_of_the_environment(says: Any, disturbed: bool) -> None:
    class Miscounting(Interrupting):
        def step_chunk(self, actions: NDArray[np.float32]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
            return *super().step_chunk(actions)[:4], {} if says is None else {"steps": says}

    env: Env = Miscounting()
    if disturbed:
        env = DisturbedEnv(env, Disturbance(first_step=9, last_step=9, metres=0.1))
    result = run_episode(env, Planning(4), EPISODE, Protocol(max_steps=8))
    assert (result.outcome, result.error_kind, result.steps) == ("error", "environment", 0)
    assert f"was given 4 actions and says that it executed {says!r}" in result.error


class Seeing(Interrupting):
    """Shows an image; or fails to draw it."""

    def __init__(self, image: NDArray[Any] | None) -> None:
        super().__init__()
        self.interface = EnvSpec("counter", {"top": (2, 3)}, "", {}, ACTION)
        self._image = image

    def _observe(self) -> Observation:
        return Observation(LazyImages(("top",), self._draw), {}, "count")

    def _draw(self, camera: str) -> NDArray[Any]:
        if self._image is None:
            raise RuntimeError("no context")
        return self._image


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (np.full((2, 3, 3), np.nan, np.float32), 'image "top" is float32 of shape (2, 3, 3); its spec promises uint8'),
        (np.zeros((3, 2, 3), np.uint8), "of shape (3, 2, 3); its spec promises uint8 of shape (2, 3, 3)"),
        (None, "RuntimeError: no context"),
    ],
)
def test_an_image_that_is_none_is_an_error_of_the_environment(image: NDArray[Any] | None, says: str) -> None:
    policy = Planning(1)
    policy.spec = PolicySpec("planning", ACTION, 1, cameras=("top",))
    result = run_episode(Seeing(image), policy, EPISODE, Protocol(episodes=1, max_steps=4))
    assert (result.outcome, result.error_kind) == ("error", "environment")
    assert says in result.error
    assert policy.asked == []


@pytest.mark.parametrize("disturbed", [False, True])
def test_what_an_environment_remarks_about_its_scene_is_recorded(disturbed: bool) -> None:
    class Remarking(Interrupting):
        def scene_remarks(self) -> tuple[str, ...]:
            return ("the bowl is in the air",)

    happens = Disturbance(first_step=0, last_step=20, metres=0.1)
    env: Env = DisturbedEnv(Remarking(), happens) if disturbed else Remarking()
    result = run_episode(env, Planning(2), EPISODE, Protocol(max_steps=4))
    assert result.scene_remarks == ("the bowl is in the air",)
    assert run_episode(Interrupting(), Planning(2), EPISODE, Protocol(max_steps=4)).scene_remarks == ()
