"""What the numbers of an action mean, and what a chunk of them amounts to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmact_eval.specs import ActionSpec
from mmact_eval.types import Observation

TRANSLATION, ROTATION, GRIPPER, JOINT = "translation", "rotation", "gripper", "joint"

_AXES = "xyz"
_LEAST_SPREAD = 0.1
"""Numbers in which the expert varies less than this share of what it varies in others of the same kind tell nothing."""

_MOVES = {True: 0.03, False: 0.002}
"""Nor do those in which it varies by less than this, in units of half the range, for deltas and for targets."""


@dataclass(frozen=True)
class Dimension:
    """One number of an action.

    Attributes:
        name: ``x``, ``left gripper``, ``joint 3``.
        kind: `TRANSLATION`, `ROTATION`, `GRIPPER` or `JOINT`.
        column: its place in the action.
        arm: 0, or 1 for the second arm.
    """

    name: str
    kind: str
    column: int
    arm: int = 0


def dimensions(action: ActionSpec) -> tuple[Dimension, ...]:
    """The numbers of an action, from what its spec says: one or two arms, each with a gripper last or none."""
    grippers = [int(place) for place in re.findall(r"\d+", action.gripper.partition(" at ")[2])]
    if not grippers and action.gripper:
        grippers = [action.dim - 1]
    ends = grippers if grippers and grippers[-1] == action.dim - 1 else [*grippers, action.dim]
    found: list[Dimension] = []
    start = 0
    for arm, end in enumerate(ends):
        side = ("left ", "right ")[arm % 2] if len(grippers) > 1 else ""
        found += _arm(action, start, end, arm, side)
        if end < action.dim:
            found.append(Dimension(f"{side}gripper", GRIPPER, end, arm))
        start = end + 1
    return tuple(found)


def _arm(action: ActionSpec, start: int, end: int, arm: int, side: str) -> list[Dimension]:
    if action.control.startswith("joint"):
        return [Dimension(f"{side}joint {c - start}", JOINT, c, arm) for c in range(start, end)]
    moves = [Dimension(f"{side}{_AXES[c - start]}", TRANSLATION, c, arm) for c in range(start, min(end, start + 3))]
    turns = range(start + 3, end)
    names = _AXES if len(turns) == 3 else "wxyz"
    return moves + [
        Dimension(f"{side}r{names[c - start - 3]}" if c - start - 3 < len(names) else f"number {c}", ROTATION, c, arm)
        for c in turns
    ]


def amounts(
    chunks: Sequence[NDArray[np.float32]],
    observations: Sequence[Observation],
    lengths: Sequence[int],
    action: ActionSpec,
) -> NDArray[np.float64]:
    """What each chunk's first actions amount to: (N, D).

    Deltas, and grippers: their mean. Targets: the last one minus where the robot is, if the environment has a state
    vector like an action, else minus the first one.

    Args:
        chunks: N of (T, D).
        observations: what each was the answer to.
        lengths: how many actions of each count, 1 ≤ length ≤ T.
        action: their meaning.
    """
    grippers = np.array([dimension.kind == GRIPPER for dimension in dimensions(action)])
    rows = []
    for chunk, observation, length in zip(chunks, observations, lengths, strict=True):
        used = chunk[:length].astype(np.float64)
        mean = used.mean(axis=0)
        if "delta" in action.control:
            rows.append(mean)
        else:
            rows.append(np.where(grippers, mean, used[-1] - _here(observation, used)))
    return np.stack(rows)


def _here(observation: Observation, used: NDArray[np.float64]) -> NDArray[np.float64]:
    alike = [vector for vector in observation.state.values() if np.shape(vector) == used[0].shape]
    return np.asarray(alike[0], np.float64) if len(alike) == 1 else used[0]


def drifts(chunks: Sequence[NDArray[np.float32]], lengths: Sequence[int]) -> NDArray[np.float64]:
    """How each number changes from the first half of a chunk to the second: (N, D). 0 for chunks of one."""
    rows = []
    for chunk, length in zip(chunks, lengths, strict=True):
        used, half = chunk[:length].astype(np.float64), length // 2
        rows.append(used[-half:].mean(axis=0) - used[:half].mean(axis=0) if half else np.zeros(chunk.shape[1]))
    return np.stack(rows)


def informative(expert: NDArray[np.float64], action: ActionSpec) -> tuple[Dimension, ...]:
    """The dimensions in which the expert does different things at different moments.

    Args:
        expert: (N, D) amounts.
        action: their meaning.
    """
    spread = expert.std(axis=0)
    least = _MOVES["delta" in action.control] * (action.high - action.low) / 2
    named = dimensions(action)
    most = {kind: max(spread[d.column] for d in named if d.kind == kind) for kind in {d.kind for d in named}}
    return tuple(d for d in named if spread[d.column] > max(least, _LEAST_SPREAD * most[d.kind]))
