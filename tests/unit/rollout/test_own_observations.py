"""A policy may work on what it sees in place: nobody else sees that, neither another question nor who watches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import probe_world as world
import pytest
from numpy.typing import NDArray

from mmact_eval.engine.batcher import Answer, PolicyBatcher
from mmact_eval.probe.asking import Asker
from mmact_eval.protocols import Env
from mmact_eval.rollout import run_episode
from mmact_eval.rollout.seen import seen_by
from mmact_eval.specs import ActionSpec, EnvSpec, PolicySpec
from mmact_eval.suite import Protocol
from mmact_eval.transforms import Transform, transformed
from mmact_eval.types import Episode, EpisodeResult, Observation, PolicyOutput, Query

ACTION = ActionSpec(dim=2, control="position_delta")


def observation() -> Observation:
    images = {camera: np.full((4, 4, 3), 7, np.uint8) for camera in ("top", "side")}
    return Observation(images, {"position": np.ones(2)}, "go", {"objects": [{"at": np.ones(3)}]})


class Spoiling:
    """Answers with what it sees, and then leaves nothing of it as it was."""

    def __init__(self, most: int = 99) -> None:
        self.spec = PolicySpec("spoiling", ACTION, 2, cameras=("top",), state=("position",), privileged=True)
        self._most = most

    def reset(self, episodes: Sequence[Episode]) -> None: ...

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        outputs = [self._answer(query.observation) for query in queries]
        if len(queries) > self._most:
            raise RuntimeError("out of memory")
        return outputs

    def _answer(self, seen: Observation) -> PolicyOutput:
        truth: Any = seen.privileged
        value = float(seen.images["top"].mean() + seen.state["position"][0] + truth["objects"][0]["at"][0])
        seen.images["top"][:] = 0
        np.negative(seen.state["position"], out=seen.state["position"])
        truth["objects"].pop()["at"] *= 3
        seen.state.clear()  # type: ignore[attr-defined]
        return PolicyOutput(np.full((2, 2), value, np.float32))


class Still:
    """An environment that hands the same arrays out each time, and halves the actions that it gets in place."""

    def __init__(self) -> None:
        self.interface = EnvSpec("still", {"top": (4, 4), "side": (4, 4)}, "", {}, ACTION)
        self.executed: list[float] = []

    def begin(self, episode: Episode) -> Observation:
        self._seen = observation()
        return self._seen

    def step_chunk(self, actions: NDArray[np.float32]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        self.executed += list(actions[:, 0])
        actions /= 2
        return self._seen, 0.0, False, False, {"steps": len(actions)}

    def scene_hash(self) -> str:
        return ""

    def state_hash(self) -> str:
        return ""

    def render(self) -> NDArray[np.uint8]:
        return np.zeros((1, 1, 3), np.uint8)

    def close(self) -> None: ...


class Watching:
    stride: int | None = None

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_begin(self, episode: Episode, env: Env, observation: Observation) -> None: ...

    def on_query(self, query: Query, output: PolicyOutput) -> None:
        assert set(query.observation.images) == {"top", "side"}
        self.seen.append(float(query.observation.images["top"].mean() + query.observation.state["position"][0]))

    def on_steps(self, env: Env, actions: NDArray[np.float32], observation: Observation) -> None:
        self.seen += list(actions[:, 0])

    def on_end(self, result: EpisodeResult) -> Mapping[str, str]:
        return {}


@pytest.mark.parametrize("entries", [[], [{"quantize": {"bins": 1001}}, {"delay": {"steps": 0}}]])
def test_a_rollout_and_who_watches_it_do_not_see_what_a_policy_does_to_its_arrays(entries: list[Any]) -> None:
    env, observer, protocol = Still(), Watching(), Protocol(max_steps=6)
    policy = transformed(Spoiling(), [Transform.model_validate(entry) for entry in entries], protocol)
    result = run_episode(env, policy, Episode("s", "t", 0, 0), protocol, [observer])
    answer = 1.0 if entries else 9.0  # quantized, it is clipped
    assert result.outcome == "failure"
    assert env.executed == [answer] * 6
    assert observer.seen == [8.0, answer, answer] * 3


def test_a_batch_that_raised_is_asked_again_about_the_same_observations() -> None:
    batcher = PolicyBatcher(Spoiling(most=1), max_batch=8, timeout=60)
    answers: list[Answer] = []
    shared = observation()
    for number in range(3):
        batcher.submit(Query(shared, Episode("s", "t", number, 0), 0), answers.append)
    while len(answers) < 3:
        batcher.answer_batch()
    assert [answer.output.actions[0, 0] if answer.output else answer.error for answer in answers] == [9.0] * 3


def test_the_probe_asks_twice_about_the_same_frames() -> None:
    class InPlace(world.Learned):
        def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
            for query in queries:
                image = query.observation.images["front"]
                image[:] = image[::-1].copy()
                query.observation.state["eef_pos"][:] += 1.0
            return super().act(queries)

    frames = world.reference(0, 3).frames
    policy = InPlace(world.learn(frames), lambda seen: seen, lambda chunk: chunk)
    asker = Asker(policy, frames, max_batch=8, timeout=60)
    before = [frame.observation.copied() for frame in frames]
    first, second = asker.ask(), asker.ask(lambda seen: replace(seen, instruction=""))
    np.testing.assert_array_equal(np.stack(first.usable()), np.stack(second.usable()))
    for frame, was in zip(frames, before, strict=True):
        np.testing.assert_array_equal(frame.observation.images["front"], was.images["front"])
        np.testing.assert_array_equal(frame.observation.state["eef_pos"], was.state["eef_pos"])


def test_a_policy_gets_its_own_cameras_and_the_ground_truth_only_if_it_asks() -> None:
    query = Query(observation(), Episode("s", "t", 0, 0), 3)
    seen = seen_by(replace(Spoiling().spec, privileged=False), query)
    assert list(seen.observation.images) == ["top"]
    assert seen.observation.privileged is None
    assert (seen.episode, seen.index, seen.observation.instruction) == (query.episode, 3, "go")
