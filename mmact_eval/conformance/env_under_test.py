"""What the trials of an environment plug-in share: the suite's task, its episodes, the actions, the environments."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmact_eval.conformance.promise import Skipped, require
from mmact_eval.protocols import Env, EnvPlugin, Needs, Task
from mmact_eval.rollout.chunk_info import chunk_is_over, steps_executed
from mmact_eval.runs.episodes import select_tasks, suite_tasks
from mmact_eval.specs import ActionSpec, EnvSpec
from mmact_eval.suite import Suite
from mmact_eval.types import Episode, Observation, derive_seed

Actions = NDArray[np.float32]

_REACH = 0.3
"""Of the action's half range: enough to move, and no policy's trust in the author's limits is strained."""


@dataclass(frozen=True)
class Passage:
    """A stretch of an episode as it was executed.

    Attributes:
        first, last: what was observed before and after it, drawn.
        scene, state: hashes of the scene at the reset, and of the state at the end.
        steps: actions executed.
        over: whether the episode ended (terminated), and whether the chunk was interrupted.
    """

    first: Observation
    last: Observation
    scene: str
    state: str
    steps: int
    over: tuple[bool, bool]


class EnvUnderTest:
    """A plug-in with one task of a suite, and environments of it that are made when a trial wants them.

    Attributes:
        plugin, suite: what is checked.
    """

    def __init__(
        self,
        plugin: EnvPlugin,
        suite: Suite,
        task: str | None,
        episodes: int,
        steps: int,
        actions: Actions | None = None,
        privileged: bool = True,
    ) -> None:
        """
        Args:
            plugin, suite: what is checked.
            task: on which of the suite's tasks, as `select_tasks` takes them; None for the first.
            episodes: how many init states of it.
            steps: environment steps per episode.
            actions: (T, D), to be executed in each episode; None for small random ones.
            privileged: whether ground truth is looked at, if there is any.
        """
        self.plugin, self.suite = plugin, suite
        self._asked_for, self._episodes, self._steps, self._actions = task, episodes, steps, actions
        self._privileged = privileged
        self._whole: Env | None = None
        self._cannot = ""
        self._played: dict[Episode, Passage] = {}

    @cached_property
    def task(self) -> Task:
        """The task that is tried.

        Raises:
            UsageError: the suite has none of this name.
        """
        tasks = suite_tasks(self.plugin, self.suite)
        exactly = [task for task in tasks if task.name == self._asked_for]
        return (exactly or select_tasks(tasks, self._asked_for))[0]

    @cached_property
    def episodes(self) -> list[Episode]:
        """Episodes of the task, with different init states."""
        several = range(min(self._episodes, self.task.init_states))
        return [Episode(self.suite.name, self.task.name, index, 0) for index in several]

    @cached_property
    def spec(self) -> EnvSpec:
        """What the suite's environments offer."""
        return self.plugin.spec(self.suite)

    @cached_property
    def actions(self) -> Actions:
        """The given ones, or small random ones around the middle of the action's range."""
        if self._actions is not None:
            return np.asarray(self._actions, np.float32)
        return some_actions(self.spec.action, self._steps)

    @property
    def everything(self) -> Needs:
        """All cameras, and ground truth if there is any and it is wanted."""
        return Needs(tuple(self.spec.cameras), self.spec.privileged and self._privileged)

    @property
    def env(self) -> Env:
        """An environment of which everything is looked at; the same for all trials.

        Raises:
            Skipped: it could not be made before.
        """
        if self._cannot:
            raise Skipped(f"no environment could be made: {self._cannot}")
        if self._whole is None:
            try:
                self._whole = self.plugin.make(self.suite, self.task, self.everything)
            except BaseException as error:
                self._cannot = f"{type(error).__name__}: {error}"
                raise
        return self._whole

    def played(self, episode: Episode) -> Passage:
        """All actions as one chunk in the environment that trials share; executed once."""
        if episode not in self._played:
            self._played[episode] = passage(self.env, episode, self.actions)
        return self._played[episode]

    @contextlib.contextmanager
    def another(self, needs: Needs, protocol: Mapping[str, Any] | None = None) -> Iterator[Env]:
        """A fresh environment of the task, closed at the end; fields of the suite's protocol may differ."""
        if self._cannot:
            raise Skipped(f"no environment could be made: {self._cannot}")
        suite = self.suite.model_copy(update={"protocol": self.suite.protocol.model_copy(update=protocol or {})})
        env = self.plugin.make(suite, self.task, needs)
        try:
            yield env
        finally:
            env.close()

    def close(self) -> None:
        """Close what trials share."""
        if self._whole is not None:
            with contextlib.suppress(Exception):
                self._whole.close()


def some_actions(spec: ActionSpec, steps: int) -> Actions:
    """(steps, D) float32: small random actions, a new one at every step, the same at every call."""
    rng = np.random.default_rng(derive_seed("conformance"))
    low, high = max(spec.low, -1e3), min(spec.high, 1e3)
    middle, half = (low + high) / 2, (high - low) / 2
    return (middle + half * _REACH * rng.uniform(-1.0, 1.0, (steps, spec.dim))).astype(np.float32)


def passage(env: Env, episode: Episode, actions: Actions, sizes: Iterator[int] | None = None) -> Passage:
    """Begin an episode and execute actions until they, or the episode, are over, or a chunk is cut short.

    Args:
        env: the environment.
        episode: which episode.
        actions: (T, D).
        sizes: of the chunks that they are given in; None for a single one.
    """
    first = env.begin(episode).copied()
    scene = env.scene_hash()
    done, over, last = 0, (False, False), first
    while done < len(actions) and not any(over):
        chunk = actions[done : done + (next(sizes) if sizes else len(actions))]
        observation, _, terminated, truncated, info = env.step_chunk(chunk.copy())
        last = observation.copied()
        done += steps_executed(info, len(chunk))
        over = bool(terminated), not (terminated or truncated) and chunk_is_over(info, len(chunk))
        if truncated:
            break
    return Passage(first, last, scene, env.state_hash(), done, over)


def require_five(result: Any, given: int) -> None:
    """Refuse what is not Gymnasium's five values, of the right types, with a possible ``info["steps"]``.

    Raises:
        Broken, EnvironmentFailure: it is not.
    """
    require(
        isinstance(result, tuple) and len(result) == 5,
        f"`step_chunk` returned {type(result).__name__}, not five values",
    )
    observation, reward, terminated, truncated, info = result
    require(isinstance(observation, Observation), f"the first is {type(observation).__name__}, no Observation")
    require(isinstance(reward, int | float | np.floating), f"the reward is {type(reward).__name__}, no number")
    for name, flag in (("terminated", terminated), ("truncated", truncated)):
        require(isinstance(flag, bool | np.bool_), f"{name} is {type(flag).__name__}, no bool")
    require(isinstance(info, Mapping), f"info is {type(info).__name__}, no dict")
    steps_executed(info, given)
    for name, value in dict(info.get("figures", {})).items():
        fits = isinstance(name, str) and isinstance(value, int | float | np.number) and np.isfinite(value)
        require(fits, f'info["figures"] holds {name!r}: {value!r}; it must be text → a finite number')
