"""How a thing gets to its place: put down from above, inserted where that is narrow or covered, or pushed.

This is the only place where that is decided.
"""

from __future__ import annotations

import numpy as np

from mmact_eval.policies.expert.grasping.clearance import distances
from mmact_eval.policies.expert.grasping.grasp import plan_grasps
from mmact_eval.policies.expert.moving.motion import Command
from mmact_eval.policies.expert.skills.insert import Insert
from mmact_eval.policies.expert.skills.pick_place import PickPlace
from mmact_eval.policies.expert.skills.push import Push
from mmact_eval.policies.expert.world import Predicate, World

_PLAY, _WIDEST = 0.01, 0.15
"""Room (m) wanted around an object that is dropped in; places with walls farther away than the latter are wide."""
_BOX_HEADROOM, _SURFACE_HEADROOM = 0.01, 0.05
"""What is lower than this above the middle of a region, in m, does not cover it: a stove's burner, say."""


class Put:
    """Makes ``in object region`` or ``on object place`` true.

    Args:
        predicate: ``(relation, object, place)``.
        world: the scene at the start.
    """

    def __init__(self, predicate: Predicate, world: World) -> None:
        skill = skill_for(predicate, world)
        self._skill: Push | PickPlace = skill(predicate, world)

    @staticmethod
    def check(predicate: Predicate, world: World) -> None:
        """Refuse a place that cannot be reached.

        Raises:
            UsageError: see `plan_placement`, and `Insert.check` for narrow and covered places.
        """
        (Insert if _inserts(predicate, world) else PickPlace).check(predicate, world)

    def next(self, world: World) -> Command | None:
        """The command until the next query, or None when it is done."""
        return self._skill.next(world)


def skill_for(predicate: Predicate, world: World) -> type[Push] | type[PickPlace]:
    """The skill that suits the place and the object."""
    if _inserts(predicate, world):
        return Insert
    return Push if _pushes(predicate, world) else PickPlace


def _inserts(predicate: Predicate, world: World) -> bool:
    """Whether the place is covered, or too narrow for the object to be dropped into it just as it hangs."""
    relation, name, place = predicate
    if name not in world.bodies or place not in world.regions or not world.regions[place].parent:
        return False
    return _covered(relation, place, world) or _narrow(relation, name, place, world)


def _pushes(predicate: Predicate, world: World) -> bool:
    """Whether the place is a zone of the table and the object cannot be held."""
    relation, name, place = predicate
    zone = world.regions.get(place)
    return relation == "on" and zone is not None and not zone.parent and not plan_grasps(world, name, limit=1)


def _covered(relation: str, place: str, world: World) -> bool:
    region = world.regions[place]
    corners = world.boxes(region.parent).corners()
    low, high = corners.min(axis=1), corners.max(axis=1)
    over = np.all((low[:, :2] < region.position[:2]) & (region.position[:2] < high[:, :2]), axis=1)
    headroom = _BOX_HEADROOM if relation == "in" else _SURFACE_HEADROOM
    return bool((over & (low[:, 2] > region.position[2] + headroom)).any())


def _narrow(relation: str, name: str, place: str, world: World) -> bool:
    """Whether the object, turned at random about the vertical, may meet a wall of the place."""
    region = world.regions[place]
    if relation != "in" or region.joints:  # drawers are wide, and tall things stick out of them
        return False
    corners = world.boxes(name).corners().reshape(-1, 3)
    middle = (corners.min(axis=0) + corners.max(axis=0)) / 2.0
    radius = float(np.linalg.norm((corners - middle)[:, :2], axis=1).max())
    # How far it is to the walls, on the level of the middle of the place.
    angles, radii = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False), np.arange(0.0, _WIDEST, 0.003)
    around = np.stack([np.cos(angles), np.sin(angles), np.zeros_like(angles)], axis=1)
    points = region.position + radii[:, None, None] * around
    solid = distances(points.reshape(-1, 1, 3), world.boxes(region.parent)).reshape(len(radii), -1).min(axis=1) <= 0.0
    room = float(radii[solid][0]) if solid.any() else _WIDEST
    return room < radius + _PLAY
