"""Where to take hold of an object: top-down two-finger grasps, found on its collision geometry.

Candidates (a point, a closing direction, a height) are judged on points of the object's surface: what lies between
the pads, how flat it is there, how far from the centre of mass. The first in order of preference whose descent
touches nothing is taken. The same search finds the sides of boxes and cans, caps of bottles and rims of bowls.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmact_eval.policies.expert.geometry import Array, Boxes, nearest_equivalent_yaw, top_down, yaw_of
from mmact_eval.policies.expert.world import World

# The Panda hand around its grip site (x: closing direction, y: across, z: towards the finger tips), in metres,
# measured on the collision geometry of robosuite's model with open fingers.
PAD_HALF_WIDTH = 0.008
PAD_HALF_HEIGHT = 0.007
FINGER_INNER, FINGER_OUTER, FINGER_HALF_WIDTH = 0.039, 0.065, 0.012
TIP_BELOW_SITE = 0.012
PALM_ABOVE_SITE = 0.027
PALM_HALF_LENGTH, PALM_HALF_WIDTH = 0.106, 0.033
MAX_WIDTH = 0.071
FLOOR_CLEARANCE = 0.002

_TARGET_SPACING, _OBSTACLE_SPACING, _NEAR = 0.003, 0.008, 0.14
_UNIFORM_YAWS, _ENOUGH, _SHIFTS = 8, 3, (-0.012, 0.012)


@dataclass(frozen=True)
class Grasp:
    """A top-down grasp.

    Attributes:
        position: of the grip site, (3,) m, world frame.
        yaw: of the closing direction, radians from world x.
        width: of what is between the pads, m.
        cost: lower is better; comparable among grasps of one object.
    """

    position: Array
    yaw: float
    width: float
    cost: float

    @property
    def rotation(self) -> Array:
        """Orientation of the gripper, (3, 3)."""
        return top_down(self.yaw)


def plan_grasps(world: World, name: str, limit: int = 8) -> list[Grasp]:
    """The best grasps of an object, best first, at most `limit`, none of which collides on the way down.

    Grasps are in the world frame and go stale when the object moves.
    """
    boxes = world.boxes(name)
    points = boxes.surface_points(_TARGET_SPACING)
    lowest, highest = boxes.bounds()
    center = _center_of_mass(boxes)
    floor = world.support_height(np.array([*center[:2], lowest[2] + 0.01]), name)
    obstacles = _near(world.obstacles(name), lowest, highest).surface_points(_OBSTACLE_SPACING)
    reference = yaw_of(world.robot.rotation[:, 0])

    everything = np.concatenate([points, obstacles])
    heights = _heights(highest[2], center[2], floor + TIP_BELOW_SITE + FLOOR_CLEARANCE)
    levels = [(height, points[np.abs(points[:, 2] - height) < PAD_HALF_HEIGHT]) for height in heights]
    found: list[Grasp] = []
    judged: list[Grasp] = []
    # Most objects can be held around their middle; walls and rims are looked at only where that is not so.
    middle = _middle_anchors(boxes, center)
    for anchors in (middle, _shifted(middle) + _part_anchors(boxes)):
        for height, level in levels:
            for anchor, direction in anchors:
                yaw = nearest_equivalent_yaw(direction, reference)
                grasp = _judge(level, np.array([*anchor, height]), yaw, center, yaw - reference)
                if grasp is not None:
                    judged.append(grasp)
        judged.sort(key=lambda grasp: grasp.cost)
        found = []
        for grasp in judged:
            if len(found) == limit:
                break
            if all(_differ(grasp, other) for other in found) and not _collides(everything, grasp):
                found.append(grasp)
        if len(found) >= _ENOUGH:
            break
    return found


def is_free(world: World, name: str, grasp: Grasp) -> bool:
    """Whether the way down to a planned grasp is still free of all but the object itself."""
    low, high = world.boxes(name).bounds()
    others = _near(world.obstacles(name), low, high).surface_points(_OBSTACLE_SPACING)
    return not _collides(others, grasp)


def _differ(first: Grasp, second: Grasp) -> bool:
    far = float(np.linalg.norm(first.position - second.position)) > 0.008
    return far or abs(first.yaw - second.yaw) > 0.2


def _center_of_mass(boxes: Boxes) -> Array:
    """Volume-weighted; thin walls count by their area."""
    volume = np.prod(np.maximum(boxes.half_sizes, 0.003), axis=1)
    center: Array = (boxes.centers * volume[:, None]).sum(axis=0) / volume.sum()
    return center


def _near(boxes: Boxes, low: Array, high: Array) -> Boxes:
    corners = boxes.corners()
    inside = (corners.max(axis=1)[:, :2] > low[:2] - _NEAR) & (corners.min(axis=1)[:, :2] < high[:2] + _NEAR)
    return boxes.pick(np.all(inside, axis=1) & (corners.max(axis=1)[:, 2] > low[2]))


def _side_yaws(rotation: Array) -> list[float]:
    """Horizontal directions square to the sides of a box."""
    return [yaw_of(axis) for axis in rotation.T if abs(axis[2]) < 0.3]


def _middle_anchors(boxes: Boxes, center: Array) -> list[tuple[Array, float]]:
    """Closing directions worth trying at the centre of mass: square to the sides, then all around."""
    sides = [yaw for rotation in boxes.rotations for yaw in _side_yaws(rotation)]
    uniform = [np.pi * number / _UNIFORM_YAWS for number in range(_UNIFORM_YAWS)]
    return _distinct([(center[:2], yaw) for yaw in [*sides, *uniform]])


def _shifted(anchors: list[tuple[Array, float]]) -> list[tuple[Array, float]]:
    """The same closing directions a little to either side, past a neighbour that is in the way of the palm."""
    return [(anchor + side * np.array([-np.sin(yaw), np.cos(yaw)]), yaw) for anchor, yaw in anchors for side in _SHIFTS]


def _part_anchors(boxes: Boxes) -> list[tuple[Array, float]]:
    """The middle of each box, square to its sides."""
    parts = zip(boxes.centers, boxes.rotations, strict=True)
    return _distinct([(center[:2], yaw) for center, rotation in parts for yaw in _side_yaws(rotation)])


def _distinct(pairs: list[tuple[Array, float]]) -> list[tuple[Array, float]]:
    """Pairs of a horizontal position (2,) and a closing direction, the first of each 4 mm and 0.1 rad."""
    first: dict[tuple[int, int, int], tuple[Array, float]] = {}
    for anchor, yaw in pairs:
        key = (round(anchor[0] / 0.004), round(anchor[1] / 0.004), round((yaw % np.pi) / 0.1))
        first.setdefault(key, (anchor, yaw))
    return list(first.values())


def _heights(top: float, middle: float, lowest: float) -> list[float]:
    """Heights of the grip site from as low as possible upwards, without near duplicates."""
    wanted = [middle, *(top - depth for depth in (0.026, 0.02, 0.014, 0.008, 0.004))]
    kept: list[float] = []
    for height in sorted(max(value, lowest) for value in wanted):
        if not kept or height - kept[-1] > 0.002:
            kept.append(height)
    return kept


def _judge(points: Array, site: Array, yaw: float, center: Array, turn: float) -> Grasp | None:
    """The grasp at a site, centred on what is between the pads, or None if the pads would miss or not fit.

    Args:
        points: those of the object's points (N, 3) that are at the height of the pads.
    """
    rotation = top_down(yaw)
    position = site
    across = (points[:, :2] - site[:2]) @ rotation[:2, 1]
    local = (points[np.abs(across) < PAD_HALF_WIDTH] - site) @ rotation
    for _ in range(2):  # centring may bring more of the object between the pads: look again from there
        held = local[np.abs(local[:, 0]) < FINGER_INNER]
        if len(held) < 6:
            return None
        left, right = float(held[:, 0].min()), float(held[:, 0].max())
        middle = (left + right) / 2.0
        local = local - np.array([middle, 0.0, 0.0])
        position = position + rotation[:, 0] * middle
    held = local[np.abs(local[:, 0]) < FINGER_INNER]
    left, right = float(held[:, 0].min()), float(held[:, 0].max())
    width = right - left
    if width > MAX_WIDTH:
        return None
    flatness = min(_coverage(held[held[:, 0] < left + 0.002]), _coverage(held[held[:, 0] > right - 0.002]))
    if flatness < 0.2:
        return None
    offset = (center - position) @ rotation
    cost = (
        10.0 * abs(float(offset[1]))
        + 4.0 * abs(float(offset[0]))
        + 2.0 * abs(float(offset[2]))
        + 0.6 * (1.0 - flatness)
        + 0.02 * abs(turn)
        + 4.0 * width  # also turns the fingers square to the sides
        + 10.0 * max(0.0, width - 0.06)
    )
    return Grasp(position, yaw, width, cost)


def _coverage(contact: Array) -> float:
    """Share of the pad (4 by 4 cells) that these points (N, 3) cover."""
    across = np.floor((contact[:, 1] + PAD_HALF_WIDTH) / (PAD_HALF_WIDTH / 2.0)).astype(int)
    along = np.floor((contact[:, 2] + PAD_HALF_HEIGHT) / (PAD_HALF_HEIGHT / 2.0)).astype(int)
    return len(set(zip(across.tolist(), along.tolist(), strict=True))) / 16.0


def _collides(points: Array, grasp: Grasp) -> bool:
    """Whether the open hand, or the column that it comes down through, contains any of the points (N, 3)."""
    local = (points - grasp.position) @ grasp.rotation
    x, y, z = np.abs(local[:, 0]), np.abs(local[:, 1]), local[:, 2]
    fingers = (x > FINGER_INNER) & (x < FINGER_OUTER) & (y < FINGER_HALF_WIDTH) & (z < TIP_BELOW_SITE)
    palm = (x < PALM_HALF_LENGTH) & (y < PALM_HALF_WIDTH) & (z < -PALM_ABOVE_SITE)
    return bool((fingers | palm).any())
