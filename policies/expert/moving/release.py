"""Where over a container an object is let go: beside the walls and lids that the hand must not run into."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mmact_eval.policies.expert.geometry import Array, axis_rotation
from mmact_eval.policies.expert.moving.hand import hand_is_free
from mmact_eval.policies.expert.moving.placement import Placement
from mmact_eval.policies.expert.moving.reach import shortfall
from mmact_eval.policies.expert.world import Region, World

_SHARE, _STEPS = 0.7, 5
"""The object's root body stays within that share of its region, and is tried on a grid of so many lines."""
_ROOMS = ((0.008, 0.0), (0.003, 0.02))
"""What (m) is kept free around the object on its way down, and what that costs, in metres aside."""
_TURNS = (0.0, np.pi / 4.0, -np.pi / 4.0, np.pi / 2.0, -np.pi / 2.0)
_WALLS, _OVER, _TURN = 10.0, 0.005, 0.1
"""What a metre over the region's sides costs, in metres aside, and from where on it counts; what a radian costs."""
_VERTICAL = np.array([0.0, 0.0, 1.0])


def roomy_spot(world: World, held: str, placement: Placement, region: Region, rotation: Array) -> tuple[Array, float]:
    """A spot (2,) near that of `placement` where both hand and object can come down, and how far to turn them first.

    What sticks out over the region's sides may land on a wall, so that is avoided first; then the nearest spot without
    a turn is best. If there is none at all, that of `placement` stays as it is.

    Args:
        region: in which the object's root body is to be.
        rotation: the hand while it lets go of the object.
    """
    hand, body = world.robot.position, world.bodies[held].position
    low, high = world.boxes(held).bounds()
    height = max(placement.bottom + float(hand[2] - low[2]), placement.fingers)
    corners = world.obstacles(held).corners()
    least, most = corners.min(axis=1), corners.max(axis=1)

    def object_is_free(middle: Array, half: Array) -> bool:
        beside = np.any((most[:, :2] < middle - half) | (least[:, :2] > middle + half), axis=1)
        return bool((beside | (most[:, 2] < placement.bottom)).all())

    def turned(turn: float) -> tuple[Array, Array, Array]:
        """The turn as a matrix (3, 3), and the object's middle from its root and half its size (2,) after it."""
        turning = axis_rotation(_VERTICAL, turn)
        half: Array = (np.abs(turning) @ (high - low) / 2.0)[:2]
        return turning, turning @ ((low + high) / 2.0 - body), half

    found: list[tuple[float, int, Array, float, float]] = []
    for turn in _TURNS:
        _, middle, half = turned(turn)
        for spot in _spots(placement.spot, region):
            beyond = float((np.abs(spot + middle[:2] - region.position[:2]) + half - region.extent[:2]).max())
            cost = _WALLS * max(0.0, beyond - _OVER) + abs(turn) * _TURN + float(np.linalg.norm(spot - placement.spot))
            found += [(cost + more, len(found), spot, turn, room) for room, more in _ROOMS]
    for _, _, spot, turn, room in sorted(found, key=lambda each: each[:2]):
        turning, middle, half = turned(turn)
        site = np.array([*(spot + (turning @ (hand - body))[:2]), height])
        if shortfall(site, turning @ rotation, world.robot.base) > 0.0:
            continue
        if object_is_free(spot + middle[:2], half + room) and hand_is_free(world, site, turning @ rotation, held):
            return spot, turn
    return placement.spot, 0.0


def _spots(first: Array, region: Region) -> Iterator[Array]:
    """Spots (2,) within a region: the wanted one, then others, the nearest to it first."""
    yield first
    ticks = np.linspace(-_SHARE, _SHARE, _STEPS)
    spots = [region.position[:2] + np.array([x, y]) * region.extent[:2] for x in ticks for y in ticks]
    yield from sorted(spots, key=lambda spot: float(np.linalg.norm(spot - first)))
