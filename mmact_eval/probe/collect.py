"""Makes the reference by letting an expert solve a few episodes; kept in the user's cache."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmact_eval import registry
from mmact_eval.errors import UsageError
from mmact_eval.machine import host, user_folders
from mmact_eval.observers.artifacts import Artifacts
from mmact_eval.optional import NamesReference
from mmact_eval.probe import reference
from mmact_eval.probe.reference import HORIZON, SHORTEST, Frame, Reference
from mmact_eval.protocols import Env
from mmact_eval.runs import fingerprint as provenance
from mmact_eval.runs.episodes import select_tasks, suite_tasks
from mmact_eval.runs.runner import Extension, RunRequest, execute
from mmact_eval.specs import ActionSpec, EnvSpec
from mmact_eval.types import Episode, EpisodeResult, Observation, PolicyOutput, Query
from mmact_eval.wording import counted

ARTIFACT = "reference"
EPISODES = 16
"""Episodes of the expert, if nothing else is asked for."""

TASKS = 4
"""Tasks that they are spread over, at most: each costs the construction of a scene."""

_EVERY = 4
"""Every so many-th step is drawn, and those around a move of the gripper."""


class ReferenceRecorder:
    """Keeps some observations of an expert's episode, with the actions that follow each.

    Attributes:
        stride: environment steps between two looks: one.
    """

    def __init__(self, artifacts: Artifacts, action: ActionSpec, frames: int) -> None:
        """
        Args:
            artifacts: frames go to ``frames/<task>/``.
            action: the environment's.
            frames: how many an episode keeps.
        """
        self.stride: int | None = 1
        self._artifacts, self._action, self._frames = artifacts, action, frames
        self._seen: dict[int, Observation] = {}
        self._actions: list[NDArray[np.float32]] = []
        self._ends: list[int] = []

    def on_begin(self, episode: Episode, env: Env, observation: Observation) -> None:
        """Nothing has been done yet."""
        self._seen, self._actions, self._ends = {}, [], []

    def on_query(self, query: Query, output: PolicyOutput) -> None:
        """The first observation of the episode, and of a stage, is always held."""
        if query.index == 0 or query.new_stage:
            self._seen[len(self._actions)] = query.observation
        if query.new_stage:
            self._ends.append(len(self._actions))

    def on_steps(self, env: Env, actions: NDArray[np.float32], observation: Observation) -> None:
        """Remember what was done, and hold the observation if it is worth drawing."""
        self._actions += [np.array(action, np.float32) for action in actions]
        labels = reference.phases(np.stack(self._actions[-3:]), self._action)
        step = len(self._actions)
        if step % _EVERY == 0 or (step % 2 == 0 and {"closing", "opening"} & set(labels)):
            self._seen[step] = observation

    def on_end(self, result: EpisodeResult) -> Mapping[str, str]:
        """Write the chosen frames of a success.

        Returns:
            ``{"reference": file relative to the run folder}``.

        Raises:
            OSError: it could not be written.
        """
        seen, self._seen = self._seen, {}
        if result.outcome != "success":
            return {}
        actions = np.stack(self._actions)
        labels = reference.phases(actions, self._action)
        until = {step: next((end for end in self._ends if end > step), len(actions)) for step in seen}
        steps = [step for step, end in until.items() if step + SHORTEST <= end]
        frames = []
        for step in reference.choose(steps, labels, self._frames):
            images = dict(seen[step].images)
            observation = Observation(images, dict(seen[step].state), seen[step].instruction)
            coming = actions[step : min(step + HORIZON, until[step])]
            frames.append(Frame(result.episode, step, labels[step], observation, coming))
        if not frames:
            return {}
        stem = Path("frames") / result.episode.file_stem
        name = str(stem.with_name(f"{stem.name}.npz"))
        with self._artifacts.place(name) as file:
            reference.save(file, frames)
        return {ARTIFACT: name}


def collect(request: RunRequest, env_spec: EnvSpec, expert: str, frames: int, say: Callable[[str], None]) -> Reference:
    """Let the expert play what is not there yet.

    Args:
        request: suite, tasks, episodes, seed and engine options; its policy is replaced.
        env_spec: the suite's.
        expert: a policy; "" for the one that the environment names.
        frames: kept of each episode.
        say: tells the user what takes a while.

    Raises:
        UsageError: there is no expert, it solved nothing, or the cache cannot be written to.
        RunAborted, RunFolderError: as of any run.
    """
    plugin = registry.env_plugin(request.suite.env)
    expert = expert or (plugin.reference if isinstance(plugin, NamesReference) else "")
    if not expert:
        raise UsageError(
            f"environment {env_spec.name} names no policy that solves its tasks; say one with --reference, or give "
            "recorded demonstrations with --data."
        )
    tasks = select_tasks(suite_tasks(plugin, request.suite), request.tasks)
    if request.tasks is None:
        tasks = tasks[:TASKS]
    episodes = request.episodes or min(-(-EPISODES // len(tasks)), *(task.init_states for task in tasks))
    cache = user_folders.for_writing(user_folders.cache_folder() / "probe")
    folder = cache / f"{request.suite.name}-{_key(request, env_spec, expert, frames)}"
    say(f"Reference: {expert} on {len(tasks)} × {counted(episodes, 'episode')}, kept in {folder}")
    recorder = functools.partial(ReferenceRecorder, action=env_spec.action, frames=frames)
    extension = Extension(
        observers=(recorder,), cameras=tuple(env_spec.cameras), artifact=ARTIFACT,
        settings={"probe": {"frames": frames}},
    )  # fmt: skip
    names = ",".join(task.name for task in tasks)
    asked = replace(
        request, policy=expert, policy_args={}, tasks=names, episodes=episodes, out=folder, extension=extension
    )
    outcome = execute(asked)
    files = [result.artifacts[ARTIFACT] for result in outcome.results if ARTIFACT in result.artifacts]
    found = [frame for file in files for frame in reference.load(outcome.folder / file)]
    if not found:
        raise UsageError(
            f"{expert} solved none of {counted(len(outcome.results), 'episode')}, so there is nothing to compare with."
        )
    return Reference(tuple(found), f"{expert}: {len(files)} of {counted(len(outcome.results), 'episode')} solved")


def _code(expert: str, env_spec: EnvSpec) -> dict[str, str]:
    made = registry.make_policy(expert, {}, env_spec)
    registry.close_policy(made.policy)
    return dict(made.code)


def _key(request: RunRequest, env_spec: EnvSpec, expert: str, frames: int) -> str:
    """What the frames depend on; the run folder checks the rest."""
    plugin = registry.env_plugin(request.suite.env)
    return provenance.digest(
        {
            "suite": request.suite.model_dump(mode="json"),
            "seed": request.seed,
            "expert": [expert, _code(expert, env_spec)],
            "frames": frames,
            "versions": dict(plugin.versions()),
            "code": host.package_versions(),
            "env": provenance.describe_env(env_spec),
            "gl": os.environ.get("MUJOCO_GL", ""),
        }
    )
