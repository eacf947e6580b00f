"""The `replay` policy: executes the recorded actions of a data set in the scenes they were recorded in."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmact_eval.errors import UsageError
from mmact_eval.policies._args import check_chunk
from mmact_eval.policies.replay.scene_check import SceneCheck
from mmact_eval.protocols import Observer
from mmact_eval.recording import dataset
from mmact_eval.recording.dataset import DataSet
from mmact_eval.specs import ActionSpec, EnvSpec, PolicySpec
from mmact_eval.suite import Suite
from mmact_eval.types import Episode, EpisodeResult, PolicyOutput, Query

_DECISIVE = ("settle_steps", "seed_mode")
"""Settings of a protocol under which the same actions lead elsewhere."""


class ReplayPolicy:
    """Answers query k with the actions that follow those executed for the queries before it; looks at nothing.

    How many these were follows from the data set: as many as are executed of an answer, but for the last ones of a
    stage, whose chunks end where the stage does.

    Attributes:
        observers: check in the workers that the scene is the recorded one.
    """

    def __init__(self, recorded: DataSet, action: ActionSpec, chunk: int) -> None:
        self._recorded = recorded
        self._step = chunk
        self._executed: dict[Episode, list[int]] = {}
        self.spec = PolicySpec(
            name="replay",
            action=action,
            chunk=chunk,
            not_real="plays recorded actions back",
            config={"chunk": chunk, "data": recorded.digest()},
        )
        scenes = {episode: demo.scene_hash for episode, demo in recorded.demonstrations.items()}
        self.observers: tuple[Callable[[], Observer], ...] = (functools.partial(SceneCheck, scenes),)

    def covers(self, suite: Suite, episodes: Sequence[Episode]) -> list[Episode]:
        """Those of the episodes that were recorded.

        Raises:
            UsageError: the data set is of another suite, was recorded under settings that lead elsewhere, or holds
                none of the episodes.
        """
        where = self._recorded.folder
        self._recorded.check_recorded_on(suite, _DECISIVE)
        found = [episode for episode in episodes if episode in self._recorded.demonstrations]
        if not found:
            raise UsageError(
                f"the data set {where} holds none of the {len(episodes)} episodes asked for; it was recorded with "
                f"--seed {self._recorded.made_with.seed}."
            )
        longest = max(len(self._recorded.demonstrations[episode].actions) for episode in found)
        if longest > suite.protocol.max_steps:
            raise UsageError(
                f"a demonstration in {where} takes {longest} steps, more than the {suite.protocol.max_steps} allowed; "
                f"use --set protocol.max_steps={longest}."
            )
        if suite.protocol.replan is not None:
            self._step = min(self.spec.chunk, suite.protocol.replan)
            self._executed = {}
        return found

    def reset(self, episodes: Sequence[Episode]) -> None:
        """Nothing is remembered between queries."""

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        """The next actions of each query's demonstration; when it is over, the robot stands still.

        Raises:
            UsageError: an episode was not recorded.
        """
        return [PolicyOutput(self._next(query)) for query in queries]

    def _next(self, query: Query) -> NDArray[np.float32]:
        if query.episode not in self._recorded.demonstrations:
            raise UsageError(f"{query.episode.key} is not in the data set {self._recorded.folder}.")
        actions = self._recorded.demonstrations[query.episode].actions
        first = self._first(query)
        coming = actions[first : first + self._step]
        if len(coming) == self._step:
            return coming
        rest = standing_still(self.spec.action, actions[-1])
        return np.concatenate([coming, np.tile(rest, (self._step - len(coming), 1))])

    def _first(self, query: Query) -> int:
        """How many actions were executed before this query."""
        before = self._executed.get(query.episode)
        if before is None:
            before = self._recorded.demonstrations[query.episode].executed_before(self._step)
            self._executed[query.episode] = before
        over = len(self._recorded.demonstrations[query.episode].actions)
        return before[query.index] if query.index < len(before) else over

    def remarks(self, results: Sequence[EpisodeResult]) -> list[str]:
        """How many demonstrations were reproduced, and in how many the simulation ended in the very same state."""
        demos = self._recorded.demonstrations
        played = [result for result in results if result.outcome != "error"]
        solved = [result for result in played if result.outcome == "success"]
        same = sum(bool(r.final_hash) and r.final_hash == demos[r.episode].final_hash for r in solved)
        text = f"Reproduced {len(solved)} of {len(played)} demonstrations"
        lines = [f"{text}; {same} of them end in the recorded simulator state, bit for bit."]
        if len(played) < len(results):
            lines.append(f"{len(results) - len(played)} could not be played back: see the errors in the report.")
        return lines


def standing_still(action: ActionSpec, last: NDArray[np.float32]) -> NDArray[np.float32]:
    """The action after the last: no motion, the gripper as it was. Where actions are no deltas, the last one."""
    if "delta" not in action.control:
        return last
    still = np.zeros_like(last)
    if action.gripper:
        still[-1] = last[-1]
    return still


def make_policy(env_spec: EnvSpec, data: str, chunk: int = 16) -> ReplayPolicy:
    """Entry point ``replay``.

    Args:
        env_spec: must have the action convention that the data set was recorded with.
        data: folder of a data set that `mmact-eval record` has made.
        chunk: actions in an answer, ≥ 1; results do not depend on it.

    Raises:
        UsageError: there is no such data set, or it does not fit.
    """
    actions = check_chunk("replay", chunk)
    recorded = dataset.read(Path(str(data)))
    with dataset.reading(recorded.folder):
        recorded.check_videos()  # they tell of frames that were lost with all their traces
    _compare(recorded, env_spec)
    return ReplayPolicy(recorded, env_spec.action, actions)


def _compare(recorded: DataSet, env_spec: EnvSpec) -> None:
    """Refuse a data set of another robot or another meaning of actions."""
    env: Mapping[str, Any] = recorded.about.get("env", {})
    before, now = env.get("action", {}), asdict(env_spec.action)
    del now["description"]  # says the same in words
    changed = [f"{key} {before.get(key)!r}, here {value!r}" for key, value in now.items() if before.get(key) != value]
    if env.get("name") != env_spec.name:
        raise UsageError(f"the data set {recorded.folder} was recorded in {env.get('name')}, not in {env_spec.name}.")
    if changed:
        raise UsageError(f"the data set {recorded.folder} holds other actions: {'; '.join(changed)}.")
