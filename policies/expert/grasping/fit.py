"""How an object gets into a narrow or covered place: how to hold it, from where, and how far.

Grasps, orientations of the hand at the end, directions of entry and spots are combined, in order of preference, and the
first combination is taken whose way in keeps hand and object clear of everything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mmact_eval.policies.expert.geometry import Array, Boxes, axis_rotation, top_down, yaw_of
from mmact_eval.policies.expert.grasping.clearance import Held, distance, distances, hold
from mmact_eval.policies.expert.grasping.grasp import Grasp, plan_grasps
from mmact_eval.policies.expert.moving.motion import turn_between
from mmact_eval.policies.expert.moving.reach import shortfall
from mmact_eval.policies.expert.world import Predicate, Region, World

_ALL_GRASPS, _GRASPS, _APART = 60, 10, 0.03
"""Grasps looked at, those combined with poses, and how different those have to be: metres, or radians / 10."""
_ALL_PARTS, _PARTS, _PARTS_APART, _THIN = 400, 12, 0.06, 0.02
"""The same for handles and rims. They are that thin (m); what is thicker is a corner, and would turn in the hand."""
_TIPPED = 0.2
"""Radians from upright at which an object may fall over when it is let go of."""
_ENOUGH, _NEEDED = 0.0058, 0.004
"""Clearance in metres that ends the search, and that is needed at all: the arm misses by up to 4 mm."""
_INSIDE = 0.006
"""How far inside its region the object's root has to be, m."""
_ON_HEADROOM = 0.1
"""The benchmark calls an object `on` a region up to this height above it, m."""
_STRETCH = 0.02
"""How far out of reach a pose may be by the estimate of `reach.shortfall`, which is for hands that point down, m."""
_FLOOR_GAPS = (0.03, 0.018, 0.008)
"""Heights above the floor of the place to move in at, best first, m: what is held sags a little more on the way."""
_STEP, _NEAR, _BATCH, _LOOKS = 0.03, 0.25, 256, 300
_TILTS = np.deg2rad([0.0, 25.0, 45.0, 65.0, 90.0])
_DEPTHS = (0.0, -0.3, -0.5, -0.7, -0.8, -0.9, -1.0)
DOWN = np.array([0.0, 0.0, -1.0])


@dataclass(frozen=True)
class Fit:
    """A way in.

    Attributes:
        grasp: how to take hold of the object.
        rotation: of the hand on the way in, (3, 3).
        root: where the object's root body ends, (3,) m.
        lowest: height of the object's lowest point there, m.
        heights: between which the root has to be, m.
        direction: of the last, straight motion, a unit vector (3,).
        travel: length of that motion in metres; it begins outside.
        clearance: of hand and object along it, m.
    """

    grasp: Grasp
    rotation: Array
    root: Array
    lowest: float
    heights: tuple[float, float]
    direction: Array
    travel: float
    clearance: float

    @property
    def tipped(self) -> float:
        """By how much the object is tipped on the way in, radians."""
        return _tipped(self.rotation, self.grasp)

    def hand(self, held: Held, travel: float) -> Array:
        """Position of the grip site (3,) with `travel` metres left, for an object as it is really held.

        What sags in the hand, as a pan does by its handle, is held higher.
        """
        root = self.rotation @ held.root
        height = self.lowest - float((held.object_points @ self.rotation.T)[:, 2].min()) + float(root[2])
        goal = np.array([*self.root[:2], np.clip(height, *self.heights)])
        position: Array = goal - root - travel * self.direction
        return position


def root_box(predicate: Predicate, region: Region) -> tuple[Array, Array]:
    """Lower and upper corner (3,) of where the root body has to be for ``in`` or ``on`` this region."""
    if predicate[0] == "in":
        return region.position - region.extent, region.position + region.extent
    low = region.position - np.abs(region.rotation @ region.half_size)
    high = region.position + np.abs(region.rotation @ region.half_size)
    return np.array([*low[:2], high[2] - 0.005]), np.array([*high[:2], high[2] + _ON_HEADROOM])


def openings(region: Region, world: World) -> list[Array]:
    """Directions (3,) in which one gets to the middle of a region without meeting its parent, down before sideways."""
    sides = [axis * sign for axis in region.rotation.T if abs(axis[2]) < 0.3 for sign in (1.0, -1.0)]
    walls = world.boxes(region.parent)
    rays = [
        (direction, region.position - np.arange(0.0, 0.3, 0.001)[:, None] * direction) for direction in (DOWN, *sides)
    ]
    return [direction for direction, ray in rays if distance(ray, walls) > 0.0]


def plan_fit(predicate: Predicate, world: World, skip: int = 0) -> Fit | None:
    """The best way to make ``in object region`` or ``on object region`` true, or None if there is none.

    Args:
        skip: so many grasps, the best ones, are left out: they have failed.
    """
    name = predicate[1]
    fit = _search(predicate, world, _skipped(_spread(plan_grasps(world, name, _ALL_GRASPS), _APART, _GRASPS), skip))
    if fit is not None and fit.tipped < _TIPPED:
        return fit
    # What is let go of aslant falls over. Held by a handle or a rim, with the hand outside, it may go in upright.
    parts = [grasp for grasp in plan_grasps(world, name, _ALL_PARTS, anywhere=True) if grasp.width < _THIN]
    middle = np.mean(world.boxes(name).bounds(), axis=0)[:2]
    parts.sort(key=lambda grasp: -float(np.linalg.norm(grasp.position[:2] - middle)))
    return _search(predicate, world, _skipped(_spread(parts, _PARTS_APART, _PARTS), skip), _TIPPED) or fit


def _skipped(grasps: list[Grasp], skip: int) -> list[Grasp]:
    """The same, the first `skip` last."""
    start = skip % max(1, len(grasps))
    return grasps[start:] + grasps[:start]


def _search(predicate: Predicate, world: World, grasps: list[Grasp], tipped: float = np.pi) -> Fit | None:
    """The best way in with one of these grasps, the object tipped by less than so many radians."""
    name, region = predicate[1], world.regions[predicate[2]]
    body, boxes = world.bodies[name], world.boxes(name)
    held = [hold(boxes, body.position, g.position, g.rotation, g.width) for g in grasps]
    near = _near(world.all_boxes.pick(world.owner_of_box != name), region)
    rim = _rim(region, world)
    low, high = root_box(predicate, region)
    heights = (float(low[2]) + _INSIDE, float(high[2]) - _INSIDE)
    best: Fit | None = None
    looked = 0
    poses = _in_order(predicate, world, region, grasps, held, tipped)
    for start in range(0, len(poses), _BATCH):
        batch = poses[start : start + _BATCH]
        clouds = np.stack([root + (held[i].corners - held[i].root) @ rotation.T for i, _, rotation, root in batch])
        for (index, direction, rotation, root), rough in zip(batch, distances(clouds, near), strict=True):
            if rough < _NEEDED or (best is not None and rough <= best.clearance):
                continue
            fit = _judge(grasps[index], held[index], rotation, root, direction, near, rim, heights, world.robot.base)
            if fit is not None and (best is None or fit.clearance > best.clearance):
                best = fit
            looked += 1
            if best is not None and (best.clearance >= _ENOUGH or looked > _LOOKS):
                return best
    return best


def _spread(grasps: list[Grasp], least: float, most: int) -> list[Grasp]:
    """Grasps all over the object, best first: what is near its middle is not always what has room around it."""
    chosen: list[Grasp] = []
    for grasp in grasps:
        apart = [
            float(np.linalg.norm(grasp.position - other.position)) + 0.1 * abs(grasp.yaw - other.yaw)
            for other in chosen
        ]
        if min(apart, default=1.0) > least:
            chosen.append(grasp)
    return chosen[:most]


Pose = tuple[int, Array, Array, Array]
"""Number of the grasp, direction, rotation of the hand, goal of the root."""


def _in_order(
    predicate: Predicate, world: World, region: Region, grasps: list[Grasp], held: list[Held], most: float
) -> list[Pose]:
    """All poses worth looking at that tip the object by less than `most` radians, the preferred ones first."""
    low, high = root_box(predicate, region)
    found: list[tuple[float, Pose]] = []
    floor = world.support_height(np.array([*region.position[:2], max(region.position[2], low[2])]), predicate[1])
    ways = openings(region, world)
    for direction in ways[:1] if any(way[2] < -0.9 for way in ways) else ways:
        for index, grasp in enumerate(grasps):
            for rotation, cost in _rotations(grasp, direction, region):
                turn = turn_between(rotation, world.robot.rotation)
                tipped = _tipped(rotation, grasp)
                if tipped > most:
                    continue
                cost += 0.3 * turn + 0.6 * tipped + grasp.cost
                for root, more in _roots(held[index], rotation, direction, low, high, floor):
                    found.append((cost + more, (index, direction, rotation, root)))
    found.sort(key=lambda pair: pair[0])
    return [pose for _, pose in found]


def _tipped(rotation: Array, grasp: Grasp) -> float:
    """By how much (radians) an object is tipped that was taken hold of so, when the hand is turned so."""
    return turn_between(_upright(rotation @ grasp.rotation.T), np.eye(3))


def _upright(turn: Array) -> Array:
    """The part of a turn (3, 3) that tips things over: the smallest one that moves the vertical like it."""
    up = turn[:, 2]
    axis = np.cross([0.0, 0.0, 1.0], up)
    sine, cosine = float(np.linalg.norm(axis)), float(up[2])
    return axis_rotation(axis / sine, float(np.arctan2(sine, cosine))) if sine > 1e-6 else np.eye(3)


def _rotations(grasp: Grasp, direction: Array, region: Region) -> Iterator[tuple[Array, float]]:
    """Orientations of the hand for a direction of entry, with what is to be said against them."""
    side = region.rotation[:, int(np.argmin(np.abs(region.rotation[2])))]
    yaws = [grasp.yaw, *(yaw_of(side) + number * np.pi / 4.0 for number in range(8))]
    if direction[2] < -0.9:
        yield from ((top_down(yaw), 0.0) for yaw in yaws)
        return
    axis = np.cross(DOWN, direction)
    for tilt in _TILTS:
        yield from ((axis_rotation(axis, tilt) @ top_down(yaw), 0.0) for yaw in yaws)


def _roots(
    held: Held, rotation: Array, direction: Array, low: Array, high: Array, floor: float
) -> Iterator[tuple[Array, float]]:
    """Where the root may end, with what is to be said against it: shallow or off the middle."""
    inner_low, inner_high = low + _INSIDE, high - _INSIDE
    middle, reach = (inner_low + inner_high) / 2.0, (inner_high - inner_low) / 2.0
    # The middle of the object, or else its root, in the middle of the place, or off to a side.
    turned = held.object_points @ rotation.T - rotation @ held.root
    centred = np.clip(middle - (turned.min(axis=0) + turned.max(axis=0)) / 2.0, inner_low, inner_high)
    below = float(turned[:, 2].min())  # lowest point, from the root
    heights = np.clip([floor + gap - below for gap in _FLOOR_GAPS], inner_low[2], inner_high[2])
    shifts = (-0.6, 0.0, 0.6)
    if direction[2] < -0.9:
        spots = [centred[:2], *(middle[:2] + reach[:2] * (x, y) for x in shifts for y in shifts)]
        for height in np.unique(np.round([*heights, middle[2], inner_high[2]], 4)):
            for number, spot in enumerate(spots):
                yield np.array([*spot, height]), (0.2 if number else 0.0) + 2.0 * height
        return
    across = np.cross([0.0, 0.0, 1.0], direction)
    along_reach, across_reach = float(np.abs(direction) @ reach), float(np.abs(across) @ reach)
    sides = [float((centred - middle) @ across), *(shift * across_reach for shift in (0.0, -0.3, 0.3, -0.6, 0.6))]
    for rank, height in enumerate(heights):
        for depth in _DEPTHS:
            for number, shift in enumerate(sides):
                root = middle + depth * along_reach * direction + shift * across
                yield (
                    np.array([root[0], root[1], height]),
                    (0.2 if number else 0.0) - 0.4 * depth + 0.05 * rank,
                )


def _judge(
    grasp: Grasp,
    held: Held,
    rotation: Array,
    root: Array,
    direction: Array,
    near: Boxes,
    rim: Array,
    heights: tuple[float, float],
    base: Array,
) -> Fit | None:
    hand = root - rotation @ held.root
    if shortfall(hand, rotation, base) > _STRETCH:
        return None
    end = root + (held.points - held.root) @ rotation.T
    clearance = distance(end, near)
    if clearance < _NEEDED:
        return None
    front = float((end[: len(held.object_points)] @ direction).max())
    travel = max(0.0, front - float((rim @ direction).min()) + 0.015)
    backs = np.linspace(travel, 0.0, max(2, int(travel / _STEP)))
    clearance = float(distances(end - backs[:, None, None] * direction, near).min())
    if clearance < _NEEDED:
        return None
    lowest = float(end[: len(held.object_points), 2].min())
    return Fit(grasp, rotation, root, lowest, heights, direction, travel, clearance)


def _near(boxes: Boxes, region: Region) -> Boxes:
    corners = boxes.corners()
    low, high = corners.min(axis=1), corners.max(axis=1)
    return boxes.pick(np.all((high > region.position - _NEAR) & (low < region.position + _NEAR), axis=1))


def _rim(region: Region, world: World) -> Array:
    """Corners (N, 3) of those of the parent's boxes that are around the region: behind them one is outside."""
    corners = world.boxes(region.parent).corners()
    low, high = corners.min(axis=1), corners.max(axis=1)
    reach = np.abs(region.extent) + 0.03
    close = np.all((high > region.position - reach) & (low < region.position + reach), axis=1)
    rim: Array = corners[close].reshape(-1, 3) if close.any() else region.position[None]
    return rim
