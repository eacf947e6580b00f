"""The Panda's hand around its grip site, and whether it touches anything: sizes in metres, open fingers.

In the frame of the grip site x is the closing direction, y is across, and z points towards the finger tips. Sizes were
measured on the collision geometry of robosuite's model.
"""

from __future__ import annotations

import numpy as np

from mmact_eval.policies.expert.geometry import Array, Boxes
from mmact_eval.policies.expert.world import World

PAD_HALF_WIDTH = 0.008
PAD_HALF_HEIGHT = 0.007
FINGER_INNER, FINGER_OUTER, FINGER_HALF_WIDTH = 0.039, 0.065, 0.012
TIP_BELOW_SITE = 0.012
PALM_ABOVE_SITE = 0.027
PALM_HALF_LENGTH, PALM_HALF_WIDTH = 0.106, 0.033
HAND_HEIGHT, FLANGE_RADIUS = 0.105, 0.05
"""Where the palm ends, above the grip site, and the radius of what is behind it."""

_OBSTACLE_SPACING, _NEAR = 0.008, 0.14


def hand_is_free(world: World, position: Array, rotation: Array, *excluded: str, above: bool = True) -> bool:
    """Whether the open hand touches nothing but the excluded things at a pose, and, if `above`, on the way up too."""
    low = position - np.array([0.0, 0.0, 0.05])
    near = obstacle_points(world, low, position, *excluded)
    if not above:
        local = (near - position) @ rotation
        palm = local[:, 2] > -HAND_HEIGHT
        near = near[palm | np.all(np.abs(local[:, :2]) < FLANGE_RADIUS, axis=1)]
    return not collides(near, position, rotation)


def obstacle_points(world: World, low: Array, high: Array, *excluded: str) -> Array:
    """Points (N, 3) on what a hand may run into above `low` and around the box from `low` to `high` (3,)."""
    boxes = world.obstacles(*excluded)
    corners = boxes.corners()
    inside = (corners.max(axis=1)[:, :2] > low[:2] - _NEAR) & (corners.min(axis=1)[:, :2] < high[:2] + _NEAR)
    near: Boxes = boxes.pick(np.all(inside, axis=1) & (corners.max(axis=1)[:, 2] > low[2]))
    return near.surface_points(_OBSTACLE_SPACING)


def encloses(points: Array, position: Array, rotation: Array) -> bool:
    """Whether any of the points (N, 3) would be pinched together with the object."""
    local = (points - position) @ rotation
    x, y, z = np.abs(local[:, 0]), np.abs(local[:, 1]), local[:, 2]
    between = (x < FINGER_OUTER) & (y < PAD_HALF_WIDTH) & (np.abs(z) < TIP_BELOW_SITE)
    return bool(between.any())


def collides(points: Array, position: Array, rotation: Array) -> bool:
    """Whether the open hand, or the column that it comes down through, contains any of the points (N, 3)."""
    local = (points - position) @ rotation
    x, y, z = np.abs(local[:, 0]), np.abs(local[:, 1]), local[:, 2]
    fingers = (x > FINGER_INNER) & (x < FINGER_OUTER) & (y < FINGER_HALF_WIDTH) & (z < TIP_BELOW_SITE)
    palm = (x < PALM_HALF_LENGTH) & (y < PALM_HALF_WIDTH) & (z < -PALM_ABOVE_SITE)
    return bool((fingers | palm).any())
