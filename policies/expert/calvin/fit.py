"""Where the fingers fit on a block from above, beside whatever stands next to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mmact_eval.policies.expert.calvin.hand import near
from mmact_eval.policies.expert.calvin.scene import Block
from mmact_eval.policies.expert.geometry import Array

_WIDEST = 0.06
"""A block's side that the fingers (0.08 m apart) take between them, m."""

_FINGER = 0.055
"""From the middle between the open fingers to that of one of them, m."""

_FINGER_ROOM = 0.018
"""Half of what a finger takes up, m."""

_SHIFTS = (0.0, 0.008, -0.008, 0.016, -0.016)
"""How far beside a block's middle the hand may come down, along the fingers, m: closing, they push the block there."""

_HIDDEN, _PER_SHIFT, _PER_SIDE = 10.0, 10.0, 10.0
"""What costs as much as a turn by so many rad: a finger that lands on another block; a metre beside the middle; a metre
of a wider side."""


@dataclass(frozen=True)
class Fit:
    """A way to take hold of a block.

    Attributes:
        yaw: of the hand, rad.
        shift: (3,) from the block's middle to between the fingers, m.
    """

    yaw: float
    shift: Array


def fits(block: Block, others: Iterable[Block], wanted: float, most_turned: float = np.pi) -> list[Fit]:
    """Ways to take hold of it from above, the best first; at least one.

    Args:
        block: it.
        others: what stands around it.
        wanted: the yaw that the wrist likes best.
        most_turned: how far from that the hand can be, rad; farther only if nothing else fits.
    """
    others = list(others)
    found: list[tuple[float, Fit]] = []
    for axis, side in zip(block.rotation.T, block.size, strict=True):
        if abs(axis[2]) > 0.5 or side > _WIDEST:
            continue
        along = np.array([axis[0], axis[1], 0.0]) / np.hypot(axis[0], axis[1])
        yaw = near(float(np.arctan2(axis[1], axis[0])) + np.pi / 2, wanted, np.pi)
        for shift in _SHIFTS:
            middle = block.position + along * shift
            ends = [middle + along * _FINGER, middle - along * _FINGER]
            hidden = sum(_covers(other, end) for other in others for end in ends) + 9 * (
                abs(yaw - wanted) > most_turned
            )
            cost = abs(yaw - wanted) + _PER_SIDE * side + _PER_SHIFT * abs(shift) + _HIDDEN * hidden
            found.append((cost, Fit(yaw, along * shift)))
    best = [fit for _, fit in sorted(found, key=lambda each: each[0])]
    return best or [Fit(wanted, np.zeros(3))]


def _covers(block: Block, point: Array) -> bool:
    """Whether a finger that comes down at a point meets the block."""
    away = block.rotation.T @ (point - block.position)
    level = [axis for axis in range(3) if abs(block.rotation[2, axis]) < 0.7]
    return abs(point[2] - block.position[2]) < 0.06 and all(
        abs(away[axis]) < block.size[axis] / 2 + _FINGER_ROOM for axis in level
    )
