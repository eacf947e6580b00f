"""Where an object has to be let go so that `in` or `on` becomes true."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmact_eval.errors import UsageError
from mmact_eval.policies.expert.geometry import Array
from mmact_eval.policies.expert.world import Predicate, Region, World

_CLEARANCE = 0.012
_SURFACE_ABOVE_REGION = 0.05
_EDGE, _BETWEEN = 0.012, 0.012
"""How far (m) objects that share a region stay from its edge and from each other."""


@dataclass(frozen=True)
class Placement:
    """A goal for an object that hangs from the gripper.

    Attributes:
        spot: horizontal position (2,) m for the object's root body, which is what the predicates look at.
        bottom: height in metres of the object's lowest point when it is let go.
        fingers: lowest height that the finger tips may have then (the rim of a container), in metres.
        gentle: whether the object is set down on a surface rather than dropped into a container.
    """

    spot: Array
    bottom: float
    fingers: float
    gentle: bool


def plan_placement(predicate: Predicate, world: World) -> Placement:
    """The placement that makes ``in object region``, ``on object region`` or ``on object object`` true.

    Raises:
        UsageError: the predicate names things that are not in the scene, or a place that is closed above.
    """
    relation, name, target = predicate
    for body in (name, target):
        if body not in world.bodies and body not in world.regions:
            raise UsageError(f"the expert finds no {body!r} in the scene (goal: {' '.join(predicate)})")
    if target in world.regions:
        region = world.regions[target]
        _check_open_above(predicate, region, world)
        if relation == "in":
            rim = _rim(region, world) + _CLEARANCE
            return Placement(_free_spot(name, region, world), rim, rim, gentle=False)
        spot, start = _shared_spot(predicate, region, world), region.position[2] + _SURFACE_ABOVE_REGION
    else:
        if relation == "in":
            raise UsageError(f"the expert has no skill for 'in' an object without a region yet ({' '.join(predicate)})")
        spot, start = world.bodies[target].position[:2], world.boxes(target).bounds()[1][2] + 0.01
    surface = world.support_height(np.array([*spot, start]), name)
    return Placement(spot, surface + 0.004, surface, gentle=True)


def _rim(region: Region, world: World) -> float:
    """Height of the rim over which an object gets into a region: a container's, or a drawer's without its cabinet."""
    if not region.parent:
        return float((region.position + region.extent)[2])
    links = [world.link_boxes(world.joints[joint].link) for joint in region.joints if joint in world.joints]
    boxes = links[0] if links else world.boxes(region.parent)
    return float(boxes.bounds()[1][2])


def _check_open_above(predicate: Predicate, region: Region, world: World) -> None:
    if not region.parent:
        return
    corners = world.boxes(region.parent).corners()
    low, high = corners.min(axis=1), corners.max(axis=1)
    over = np.all((low[:, :2] < region.position[:2]) & (region.position[:2] < high[:, :2]), axis=1)
    # What one puts things on may lie a little above its region (a stove's burner).
    headroom = 0.01 if predicate[0] == "in" else _SURFACE_ABOVE_REGION
    if (over & (low[:, 2] > region.position[2] + headroom)).any():
        raise UsageError(
            f"the expert has no skill for {predicate[0]!r} with {region.name!r} yet: it only puts things down from "
            "above, and this place is covered"
        )


def _shared_spot(predicate: Predicate, region: Region, world: World) -> Array:
    """The middle of a region, or, if the goal wants more objects on it, a spot that leaves room for another one."""
    relation, name, target = predicate
    middle: Array = region.position[:2]
    others = [goal for goal in world.goal if goal[0] == relation and goal[2:] == (target,) and goal[1] != name]
    if not others:
        return middle
    low, high = world.boxes(name).bounds()
    width = (high - low)[:2]
    axis = np.eye(2)[int(np.argmin(width))]  # side by side, where they are thinnest
    reach = float(region.extent[:2] @ axis) - _EDGE
    needed = float(width.min()) + _BETWEEN
    there = [world.bodies[goal[1]].position[:2] for goal in others if world.holds(goal)]
    if there:
        taken = float((there[0] - middle) @ axis)
        beside: Array = middle + axis * float(np.clip(taken - np.copysign(needed, taken), -reach, reach))
        return beside
    side = float(np.sign((world.bodies[name].position - world.bodies[others[0][1]].position)[:2] @ axis)) or 1.0
    first: Array = middle + axis * side * min(reach, needed / 2.0)
    return first


def _free_spot(name: str, region: Region, world: World) -> Array:
    """The middle of a region, or, if other objects are in there, the spot within it that is farthest from them."""
    reach = region.extent
    others = [
        body.position[:2]
        for body in world.bodies.values()
        if body.movable
        and body.name not in (name, region.parent)
        and bool(np.all(np.abs(body.position - region.position) < reach + 0.02))
    ]
    middle: Array = region.position[:2]
    if not others:
        return middle
    shifts = [np.array([x, y]) * reach[:2] for x in (0.0, -0.45, 0.45) for y in (0.0, -0.45, 0.45)]
    spots = [middle + shift for shift in shifts]
    distances = [min(float(np.linalg.norm(spot - other)) for other in others) for spot in spots]
    best: Array = spots[int(np.argmax(distances))]
    return best
