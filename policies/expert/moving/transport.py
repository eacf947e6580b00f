"""The way that a held object takes: from where it rises, how high, and with the hand turned how."""

from __future__ import annotations

import numpy as np

from mmact_eval.policies.expert.geometry import Array, axis_rotation, yaw_of
from mmact_eval.policies.expert.moving.hand import hand_is_free
from mmact_eval.policies.expert.moving.reach import outward, shortfall
from mmact_eval.policies.expert.world import World

CLEARANCE = 0.03
FIRST_LIFT = 0.02
"""How high (m) an object is lifted before it is moved at all."""
_CORRIDOR = 0.13
_ROOM, _PASSING = 0.01, 0.004
"""What (m) is kept free around an object that rises past others, and on the way to where it does."""
_PARTS = (0.25, 0.5, 0.75)
_ALREADY_BESIDE = 0.005
"""What reaches no higher than that (m) above an object's top cannot hang over it."""
_SIDESTEPS = (0.02, 0.035, 0.05, 0.065, 0.08, 0.1, 0.12, 0.15)
_TILT_STEPS = (0.0, 0.1, -0.1, 0.2, -0.2, 0.3, -0.3, 0.4, 0.5, 0.6)
_VERTICAL = np.array([0.0, 0.0, 1.0])


def travel_height(world: World, start: Array, goal: Array, hang: float, *excluded: str) -> float:
    """Height (m) of the grip site at which nothing along the way from start to goal (3,) is touched.

    Args:
        hang: how far the hand and what it holds reach below the grip site, m.
        excluded: names of what is held.
    """
    boxes = world.obstacles(*excluded)
    if len(boxes) == 0:
        return float(goal[2]) + hang + CLEARANCE
    corners = boxes.corners()
    low, high = corners.min(axis=1), corners.max(axis=1)
    steps = np.linspace(0.0, 1.0, 16)[:, None]
    path = start[:2] + steps * (goal - start)[:2]  # (16, 2)
    outside = np.maximum(low[:, None, :2] - path, path - high[:, None, :2])  # (N, 16, 2), negative within
    close = (np.linalg.norm(np.maximum(outside, 0.0), axis=-1) < _CORRIDOR).any(axis=1)
    top = float(high[close, 2].max()) if close.any() else float(goal[2])
    return top + hang + CLEARANCE


def carrying_rotation(rotation: Array, held_at: Array, goal: Array, base: Array) -> Array:
    """How to hold the hand over `goal` (3,) so that the arm reaches it and the object stays as upright as can be.

    Args:
        rotation: of the hand where it took hold of the object, at `held_at` (3,).
    """
    if rotation[2, 2] > -0.99:  # a tilted hand turns with the arm, so that it still leans the way the arm needs
        swing = yaw_of(outward(goal, base)) - yaw_of(outward(held_at, base))
        rotation = axis_rotation(_VERTICAL, swing) @ rotation
    ahead = outward(goal, base)
    across = np.array([ahead[1], -ahead[0], 0.0])
    for tilt in _TILT_STEPS:
        leaning: Array = axis_rotation(across, tilt) @ rotation
        if shortfall(goal, leaning, base) <= 0.0:
            break
    return leaning


def way_up(world: World, held: str, rotation: Array, height: float) -> Array:
    """Horizontal shift (3,) m past what hangs over a held object, so that it can rise until the hand is at `height`.

    The least of a few that leave room for the object and the hand, on the way there too; zero if none does, or if
    nothing hangs over the object.
    """
    low, high = world.boxes(held).bounds()
    hand = world.robot.position
    boxes = world.obstacles(held)
    corners = boxes.corners()
    least, most = corners.min(axis=1), corners.max(axis=1)
    rise = max(0.0, height - float(hand[2]))

    def blocked(shift: Array, up: float, room: float = _ROOM) -> bool:
        flat = (least < high + shift + room) & (most > low + shift - room)
        over = (most[:, 2] > high[2] + _ALREADY_BESIDE) & (least[:, 2] < high[2] + up)
        return bool((np.all(flat[:, :2], axis=1) & over).any())

    if not blocked(np.zeros(3), rise):
        return np.zeros(3)
    for distance in _SIDESTEPS:
        for angle in np.arange(0.0, 2.0 * np.pi, np.pi / 12.0):
            shift = distance * np.array([np.cos(angle), np.sin(angle), 0.0])
            if blocked(shift, rise) or any(blocked(part * shift, FIRST_LIFT, _PASSING) for part in _PARTS):
                continue
            there = hand + shift + FIRST_LIFT * _VERTICAL
            reached = shortfall(there, rotation, world.robot.base) <= 0.0
            on_the_way = hand_is_free(world, there - 0.5 * shift, rotation, held, above=False)
            if reached and on_the_way and hand_is_free(world, there, rotation, held):
                return shift
    return np.zeros(3)
