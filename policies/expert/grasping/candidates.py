"""Ways to take hold of an object from above, found on its collision geometry, whatever is around it.

Candidates (a point, a closing direction, a height) are judged on points of the object's surface: what lies between
the pads, how flat it is there, how far from the centre of mass. The same search finds the sides of boxes and cans, caps
of bottles and rims of bowls.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from mmact_eval.policies.expert.geometry import Array, Boxes, nearest_equivalent_yaw, top_down, yaw_of
from mmact_eval.policies.expert.moving.hand import FINGER_INNER, PAD_HALF_HEIGHT, PAD_HALF_WIDTH

MAX_WIDTH = 0.071

APPROACH = 0.08
"""The last metres of the way down, along the direction that the hand points in."""

FAVOUR = 1.0
"""Cost of each metre that a grasp is away from the favoured side: more than flatness differs between like places."""

_UNIFORM_YAWS, _SHIFTS = 8, (-0.012, 0.012)


@dataclass(frozen=True)
class Grasp:
    """A grasp from above.

    Attributes:
        position: of the grip site, (3,) m, world frame.
        rotation: of the gripper, (3, 3); it points down, or nearly so.
        width: of what is between the pads, m.
        cost: lower is better; comparable among grasps of one object that are tilted alike.
    """

    position: Array
    rotation: Array
    width: float
    cost: float

    @property
    def yaw(self) -> float:
        """Closing direction, radians from world x."""
        return yaw_of(self.rotation[:, 0])

    @property
    def start(self) -> Array:
        """Where the last bit of the way down begins, (3,) m."""
        begin: Array = self.position - APPROACH * self.rotation[:, 2]
        return begin


def candidates(
    boxes: Boxes, points: Array, lowest: float, reference: float, favoured: Array | None = None
) -> Iterator[list[Grasp]]:
    """Two lists of grasps, best first, the second with all of the first: around the object's middle, then anywhere.

    Most objects can be held around their middle; walls and rims are looked at only where that is not so.

    Args:
        points: on the surface of the object, (N, 3), dense.
        lowest: the least height of the grip site, m.
        reference: the hand's closing direction now, radians; little turns are preferred.
        favoured: a horizontal unit vector (2,); of places that are as good, the one on this side is taken.
    """
    center = center_of_mass(boxes)
    heights = _heights(float(points[:, 2].max()), float(center[2]), lowest)
    levels = [(height, points[np.abs(points[:, 2] - height) < PAD_HALF_HEIGHT]) for height in heights]
    middle = _middle_anchors(boxes, center)
    found: list[Grasp] = []
    for anchors in (middle, _shifted(middle) + _part_anchors(boxes)):
        more = list(found)
        for height, level in levels:
            for anchor, direction in anchors:
                yaw = nearest_equivalent_yaw(direction, reference)
                grasp = _judge(level, np.array([*anchor, height]), yaw, center, yaw - reference)
                if grasp is not None:
                    if favoured is not None:
                        beside = float((center - grasp.position)[:2] @ favoured)
                        grasp = replace(grasp, cost=grasp.cost + FAVOUR * beside)
                    more.append(grasp)
        found = _distinct_grasps(sorted(more, key=lambda grasp: grasp.cost))
        yield found


def _distinct_grasps(grasps: list[Grasp]) -> list[Grasp]:
    """The first of each half centimetre and tenth of a radian."""
    first: dict[tuple[int, ...], Grasp] = {}
    for grasp in grasps:
        cell = np.round(np.append(grasp.position / 0.005, (grasp.yaw % np.pi) / 0.1)).astype(int)
        first.setdefault(tuple(cell.tolist()), grasp)
    return list(first.values())


def center_of_mass(boxes: Boxes) -> Array:
    """Volume-weighted; thin walls count by their area."""
    volume = np.prod(np.maximum(boxes.half_sizes, 0.003), axis=1)
    center: Array = (boxes.centers * volume[:, None]).sum(axis=0) / volume.sum()
    return center


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
    return Grasp(position, rotation, width, cost)


def _coverage(contact: Array) -> float:
    """Share of the pad (4 by 4 cells) that these points (N, 3) cover."""
    across = np.floor((contact[:, 1] + PAD_HALF_WIDTH) / (PAD_HALF_WIDTH / 2.0)).astype(int)
    along = np.floor((contact[:, 2] + PAD_HALF_HEIGHT) / (PAD_HALF_HEIGHT / 2.0)).astype(int)
    return len(set(zip(across.tolist(), along.tolist(), strict=True))) / 16.0
