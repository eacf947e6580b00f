"""Which way to take hold of an object: the best grasp that the arm reaches and whose way down touches nothing.

Grasps (see `candidates`) are taken in order of preference, with the hand tilted where it has to be.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mmact_eval.policies.expert.geometry import Array, yaw_of
from mmact_eval.policies.expert.grasping.candidates import Grasp, candidates, center_of_mass
from mmact_eval.policies.expert.moving.hand import (
    FINGER_INNER,
    PAD_HALF_WIDTH,
    TIP_BELOW_SITE,
    collides,
    encloses,
    obstacle_points,
)
from mmact_eval.policies.expert.moving.reach import TILTS, in_arm, shortfall, tilted
from mmact_eval.policies.expert.world import World

__all__ = ["Grasp", "is_free", "plan_grasps"]

FLOOR_CLEARANCE = 0.002
_STEADY_YAW = 1.77
"""Closing direction that turns are counted from where grasps are to be steady, radians. The hand is at 1.57 when
LIBERO's episodes begin; so much to one side of it, a quarter turn to the left is nearer than one to the right."""
_STEADY_SIDE = np.array([-1.0, 1.0]) / np.sqrt(2.0)
"""Of like places on an object the one towards the robot and to its left is taken where grasps are to be steady."""
_TARGET_SPACING = 0.003
_ARM_SPACING, _ARM_NEAR, _ARM_ABOVE = 0.015, 0.3, 0.1
_ENOUGH = 3
_TILTED_CANDIDATES = 150
_SIDEWAYS = (0.024, -0.024)
"""Ways to have the object off the middle between open fingers, where a wall leaves no room for one of them."""
_POSES = tuple((tilt, 0.0) for tilt in TILTS) + tuple(
    (tilt, side) for tilt in (TILTS[0], TILTS[1], TILTS[4]) for side in _SIDEWAYS
)


def plan_grasps(world: World, name: str, limit: int = 8, anywhere: bool = False) -> list[Grasp]:
    """The best grasps of an object, best first, at most `limit`, none of which collides on the way down.

    Grasps are in the world frame and go stale when the object moves. In a steady world (see `World`) ties between sides
    of an object and between senses of a turn are always broken in the same way, wherever the hand is at the moment.

    Args:
        anywhere: also look at walls, rims and handles where the object can be held around its middle.
    """
    boxes = world.boxes(name)
    points = boxes.surface_points(_TARGET_SPACING)
    lowest, highest = boxes.bounds()
    floor = world.support_height(np.array([*center_of_mass(boxes)[:2], lowest[2] + 0.01]), name)
    obstacles = obstacle_points(world, lowest, highest, name)
    surroundings = _Surroundings(
        np.concatenate([points, obstacles]), obstacles, _arm_obstacles(world, name, lowest), floor
    )
    base = world.robot.base
    reference, favoured = (_STEADY_YAW, _STEADY_SIDE) if world.steady else (yaw_of(world.robot.rotation[:, 0]), None)
    tiers: list[list[Grasp]] = []
    for tier in candidates(boxes, points, floor + TIP_BELOW_SITE + FLOOR_CLEARANCE, reference, favoured):
        found = _feasible(tier, _POSES[:1], surroundings, base, limit)
        tiers.append(tier)
        if len(found) >= _ENOUGH and (len(tiers) == 2 or not anywhere):
            return found
    for tier in tiers:
        found = _feasible(tier, _POSES, surroundings, base, limit)
        if found:
            return found
    hand_only = replace(surroundings, arm_points=np.zeros((0, 3)))  # the arm may brush against something
    return _feasible(tiers[-1], _POSES, hand_only, base, limit)


@dataclass(frozen=True)
class _Surroundings:
    """Points (N, 3) of what a hand can run into (all, or all but the object), and an arm; and the floor's height."""

    points: Array
    obstacles: Array
    arm_points: Array
    floor: float


def _feasible(
    candidates: list[Grasp],
    poses: tuple[tuple[tuple[float, float], float], ...],
    surroundings: _Surroundings,
    base: Array,
    limit: int,
) -> list[Grasp]:
    """The first `limit` distinct candidates that can be carried out, the plainest poses of the hand first."""
    found: list[Grasp] = []
    for tilt, side in poses:
        for candidate in candidates if (tilt, side) == poses[0] else candidates[:_TILTED_CANDIDATES]:
            if len(found) == limit:
                return found
            if abs(side) > FINGER_INNER - PAD_HALF_WIDTH - candidate.width / 2.0:
                continue  # too wide to be anywhere but in the middle
            grasp = _lean(candidate, tilt, side, base, surroundings.floor)
            if all(_differ(grasp, other) for other in found) and _possible(grasp, surroundings, base):
                found.append(grasp)
    return found


def _lean(grasp: Grasp, tilt: tuple[float, float], side: float, base: Array, floor: float) -> Grasp:
    """The grasp with the hand tilted and moved sideways, raised where a finger would touch the floor."""
    grasp = replace(grasp, position=grasp.position + side * grasp.rotation[:, 0])
    if tilt == (0.0, 0.0):
        return grasp
    rotation = tilted(grasp.yaw, grasp.position, base, tilt)
    tips = np.array([[x, y, TIP_BELOW_SITE] for x in (-0.05, 0.05) for y in (-0.01, 0.01)]) @ rotation.T
    missing = floor + FLOOR_CLEARANCE - float((grasp.position + tips)[:, 2].min())
    raised = grasp.position + np.array([0.0, 0.0, max(0.0, missing)])
    return Grasp(raised, rotation, grasp.width, grasp.cost)


def _possible(grasp: Grasp, surroundings: _Surroundings, base: Array) -> bool:
    place, turn = grasp.position, grasp.rotation
    if shortfall(place, turn, base) > 0.0 or shortfall(grasp.start, turn, base) > 0.0:
        return False
    if collides(surroundings.points, place, turn) or encloses(surroundings.obstacles, place, turn):
        return False
    return not in_arm(surroundings.arm_points, place, turn, base).any()


def is_free(world: World, name: str, grasp: Grasp) -> bool:
    """Whether the way down to a planned grasp is still free of all but the object itself."""
    low, high = world.boxes(name).bounds()
    others = obstacle_points(world, low, high, name)
    touches = collides(others, grasp.position, grasp.rotation)
    return not touches and not encloses(others, grasp.position, grasp.rotation)


def _arm_obstacles(world: World, name: str, lowest: Array) -> Array:
    """Points (N, 3) of what is tall enough to be in the way of the arm."""
    boxes = world.obstacles(name)
    corners = boxes.corners()
    beside = np.maximum(corners.min(axis=1)[:, :2] - lowest[:2], lowest[:2] - corners.max(axis=1)[:, :2])
    tall = corners.max(axis=1)[:, 2] > lowest[2] + _ARM_ABOVE
    return boxes.pick(tall & np.all(beside < _ARM_NEAR, axis=1)).surface_points(_ARM_SPACING)


def _differ(first: Grasp, second: Grasp) -> bool:
    far = float(np.linalg.norm(first.position - second.position)) > 0.008
    return far or abs(first.yaw - second.yaw) > 0.2
