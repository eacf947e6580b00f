"""What the policy is shown: observations of an expert's episodes at telling moments, with what the expert did next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmact_eval.errors import UsageError
from mmact_eval.specs import ActionSpec, gripper_columns
from mmact_eval.types import Episode, Observation

HORIZON = 16
"""The most actions of the expert kept with a frame."""

SHORTEST = 3
"""Frames with fewer actions left in their episode, or its stage, tell nothing and are left out."""

PHASES = ("approach", "closing", "carry", "opening", "moving")
"""The last one is for robots without a gripper."""


@dataclass(frozen=True)
class Frame:
    """One moment of an expert's episode.

    Attributes:
        episode: which.
        step: environment steps before it.
        phase: one of `PHASES`.
        observation: what a policy may see; no ground truth.
        actions: (T, D) float32, what the expert executed from here on (in this stage), `SHORTEST` ≤ T ≤ `HORIZON`.
    """

    episode: Episode
    step: int
    phase: str
    observation: Observation
    actions: NDArray[np.float32]


@dataclass(frozen=True)
class Reference:
    """The frames of several episodes.

    Attributes:
        frames: in the order of the episodes.
        source: where they come from, in words.
    """

    frames: tuple[Frame, ...]
    source: str

    @property
    def episodes(self) -> tuple[Episode, ...]:
        """The episodes that have frames."""
        return tuple(dict.fromkeys(frame.episode for frame in self.frames))

    def clusters(self) -> NDArray[np.intp]:
        """(N,) the number of each frame's episode: frames of an episode are not independent."""
        numbers = {episode: number for number, episode in enumerate(self.episodes)}
        return np.array([numbers[frame.episode] for frame in self.frames], np.intp)


def phases(actions: NDArray[np.float32], action: ActionSpec) -> list[str]:
    """The phase at each of an episode's (T, D) actions.

    ``closing`` and ``opening`` are the steps from just before to just after the gripper's command changes; in between
    it is ``carry``, before and after ``approach``.
    """
    try:
        columns = gripper_columns(action)
    except UsageError:  # several grippers
        return ["moving"] * len(actions)
    if not columns.any():
        return ["moving"] * len(actions)
    middle = (action.low + action.high) / 2 if action.open_gripper in (action.low, action.high) else 0.5
    closed = (actions[:, columns][:, 0] > middle) != (action.open_gripper > middle)
    found = ["carry" if shut else "approach" for shut in closed]
    changes: list[int] = (np.flatnonzero(closed[1:] != closed[:-1]) + 1).tolist()
    for step in changes:
        for near in range(max(0, step - 3), min(len(actions), step + 3)):
            found[near] = "closing" if closed[step] else "opening"
    return found


def choose(steps: Sequence[int], labels: Sequence[str], wanted: int) -> list[int]:
    """Which of an episode's steps to show: as many of each phase as possible, spread evenly within it.

    Args:
        steps: those that can be shown, ascending.
        labels: the phase of every step of the episode.
        wanted: how many, ≥ 1.
    """
    waiting: dict[str, list[int]] = {}
    for step in steps:
        waiting.setdefault(labels[step], []).append(step)
    share: dict[str, int] = dict.fromkeys(waiting, 0)
    for _ in range(min(wanted, len(steps))):
        open_phases = [phase for phase in waiting if share[phase] < len(waiting[phase])]
        share[min(open_phases, key=lambda phase: (share[phase], -len(waiting[phase])))] += 1
    found: list[int] = []
    for phase, count in share.items():
        there = waiting[phase]
        found += [there[(2 * turn + 1) * len(there) // (2 * count)] for turn in range(count)]
    return sorted(set(found))


def save(file: Path, frames: Sequence[Frame]) -> None:
    """Write the frames of one episode.

    Raises:
        OSError: it could not be written.
    """
    first = frames[0]
    arrays: dict[str, Any] = {
        "episode": np.array([first.episode.suite, first.episode.task]),
        "numbers": np.array([first.episode.init_state, first.episode.seed]),
        "instruction": np.array([frame.observation.instruction for frame in frames]),
        "steps": np.array([frame.step for frame in frames]),
        "phases": np.array([frame.phase for frame in frames]),
        "lengths": np.array([len(frame.actions) for frame in frames]),
        "actions": np.concatenate([frame.actions for frame in frames]),
    }
    for camera in first.observation.images:
        arrays[f"image.{camera}"] = np.stack([frame.observation.images[camera] for frame in frames])
    for key in first.observation.state:
        arrays[f"state.{key}"] = np.stack([frame.observation.state[key] for frame in frames])
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as stream:
        np.savez_compressed(stream, **arrays)


def load(file: Path) -> list[Frame]:
    """Read what `save` wrote.

    Raises:
        OSError, ValueError, KeyError: it is missing or damaged.
    """
    with np.load(file, allow_pickle=False) as found:
        arrays: Mapping[str, NDArray[Any]] = dict(found)
    suite, task = (str(text) for text in arrays["episode"])
    init_state, seed = (int(number) for number in arrays["numbers"])
    episode = Episode(suite, task, init_state, seed)
    actions = np.split(arrays["actions"], np.cumsum(arrays["lengths"])[:-1])
    instructions = np.broadcast_to(arrays["instruction"], len(actions))  # a single one, in older files
    frames = []
    for number, step in enumerate(arrays["steps"]):
        images = {key[6:]: array[number] for key, array in arrays.items() if key.startswith("image.")}
        state = {key[6:]: array[number] for key, array in arrays.items() if key.startswith("state.")}
        seen = Observation(images, state, str(instructions[number]))
        frames.append(Frame(episode, int(step), str(arrays["phases"][number]), seen, actions[number]))
    return frames
