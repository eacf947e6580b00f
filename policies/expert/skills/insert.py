"""The skill behind `in` and `on` for narrow or covered places: bring the object in front of the opening, push it in.

Taking hold of the object is as in `pick_place`; then hand and object are turned the way that fits, brought in front of
the opening over whatever is in between, moved in along a straight line, and the hand draws back the way it came.
"""

from __future__ import annotations

import numpy as np

from mmact_eval.errors import UsageError
from mmact_eval.policies.expert.geometry import Array
from mmact_eval.policies.expert.grasping.clearance import Held, distances, hold
from mmact_eval.policies.expert.grasping.fit import openings, plan_fit
from mmact_eval.policies.expert.grasping.grasp import Grasp
from mmact_eval.policies.expert.moving.motion import CLOSE, OPEN, Command, turn_between
from mmact_eval.policies.expert.skills.pick_place import PickPlace
from mmact_eval.policies.expert.world import Predicate, World

_RISES = np.arange(0.0, 0.45, 0.03)
_ROOMY = 0.015
"""Clearance wanted on the way to the opening, m."""
_INSERT_SPEED, _AHEAD = 0.6, 0.06
_SETTLES, _KEPT, _SETTLE_SPEED = np.arange(0.002, 0.041, 0.002), 0.003, 0.3
"""How far the object is let down before it is let go of, if that leaves so much clearance (m), and how fast."""


class Insert(PickPlace):
    """Makes ``in object region`` or ``on object region`` true where the region is narrow or covered.

    Args:
        predicate: ``(relation, object, region)``.
        world: the scene at the start.
    """

    def __init__(self, predicate: Predicate, world: World) -> None:
        super().__init__(predicate, world)
        self._phases["settle"] = self._settle

    @staticmethod
    def check(predicate: Predicate, world: World) -> None:
        """Refuse a place that is closed on all sides. Whether the object fits is found out at the first attempt.

        Raises:
            UsageError: there is no way in.
        """
        region = world.regions[predicate[2]]
        if not openings(region, world):
            raise UsageError(f"the expert finds no way into {region.name!r}: it is covered, and closed on all sides")

    def _choose(self, world: World) -> Grasp:
        """The grasp that belongs to the best way in; each attempt starts from another one."""
        self._way: list[Array] = []
        self._fit = plan_fit(self._predicate, world, skip=self._attempt)
        return self._fit.grasp if self._fit is not None else super()._choose(world)

    def _lift(self, world: World) -> Command | str:
        if self._fit is None or self._slipped(world) or self._overdue(world):
            return "retry"
        if not self._way:
            self._way = self._way_in_front(world)
        start = self._way[0]
        if world.robot.position[2] > start[2] - 0.02 or self._at_rest(world):
            return "carry"
        speed = 0.4 if world.robot.position[2] < self._from[2] + 0.02 else 1.0
        return Command(start, self._grasp.rotation, CLOSE, self._doing("lift"), speed=speed, stop_at=0.01)

    def _carry(self, world: World) -> Command | str:
        fit, robot = self._fit, world.robot
        if fit is None or self._slipped(world) or self._overdue(world):
            return "retry"
        before = fit.hand(self._look_at_hand(world), fit.travel)
        left = float(np.linalg.norm(robot.position - before))
        turned = turn_between(robot.rotation, fit.rotation)
        if (left < 0.008 and turned < 0.06) or (left < 0.03 and turned < 0.2 and self._at_rest(world)):
            return "lower"
        over = np.array([*before[:2], max(float(self._way[1][2]), float(before[2]))])
        aside = float(np.linalg.norm((robot.position - before)[:2]))
        arrived = aside < 0.02 and turned < 0.15
        goal = before if arrived or self._at_rest(world) else over
        return Command(goal, fit.rotation, CLOSE, self._doing("carry"), stop_at=0.005)

    def _lower(self, world: World) -> Command | str:
        fit = self._fit
        if fit is None or self._slipped(world):
            return "retry"
        end = fit.hand(self._look_at_hand(world), 0.0)
        along = float((end - world.robot.position) @ fit.direction)
        if along < 0.004 or self._at_rest(world) or self._overdue(world):
            if fit.direction[2] < -0.9:
                return "release"  # it falls into its place
            self._bottom = world.robot.position - np.array([0.0, 0.0, self._room_below(world)])
            return "settle"
        # A little ahead on the line, not at its end: a narrow place leaves no room beside the line.
        goal = end - max(0.0, along - _AHEAD) * fit.direction
        return Command(goal, fit.rotation, CLOSE, self._doing("insert"), speed=_INSERT_SPEED, stop_at=0.003)

    def _settle(self, world: World) -> Command | str:
        fit = self._fit
        if fit is None or self._slipped(world):
            return "retry"
        left = float(world.robot.position[2] - self._bottom[2])
        if left < 0.003 or self._at_rest(world) or self._overdue(world):
            return "release"
        return Command(self._bottom, fit.rotation, CLOSE, self._doing("set down"), speed=_SETTLE_SPEED, stop_at=0.002)

    def _release(self, world: World) -> Command | str:
        rotation = self._fit.rotation if self._fit is not None else self._grasp.rotation
        if world.robot.opening > 0.07 or self._overdue(world):
            return "retreat"
        return Command(self._from, rotation, OPEN, self._doing("let go of"))

    def _retreat(self, world: World) -> Command | str:
        fit = self._fit
        if fit is None:
            return super()._retreat(world)
        goal = self._from - max(0.08, fit.travel) * fit.direction
        if float(np.linalg.norm(world.robot.position - goal)) < 0.03 or self._overdue(world):
            return "done"
        return Command(goal, fit.rotation, OPEN, "draw back", stop_at=0.01)

    # What the phases look at.

    def _slipped(self, world: World) -> bool:
        """Whether the object is lost. What turns in the hand, as a pan does that touches a board, may still go in."""
        return self._held_offset is not None and not any(self._object in touched for touched in world.robot.touching)

    def _look_at_hand(self, world: World) -> Held:
        body, robot = world.bodies[self._object], world.robot
        return hold(world.boxes(self._object), body.position, robot.position, robot.rotation, robot.opening)

    def _room_below(self, world: World) -> float:
        """How far (m) hand and object can go straight down; what is dropped from there does not jump off a sill."""
        robot, held, obstacles = world.robot, self._look_at_hand(world), world.obstacles(self._object)
        cloud = robot.position + held.points @ robot.rotation.T
        lower = cloud - _SETTLES[:, None, None] * np.array([0.0, 0.0, 1.0])
        tight = distances(lower, obstacles) < min(_KEPT, float(distances(cloud[None], obstacles)[0]) - 0.001)
        return float(_SETTLES[int(np.argmax(tight)) - 1]) if tight.any() and not tight[0] else 0.0

    def _way_in_front(self, world: World) -> list[Array]:
        """Where to lift to, and from where to come down in front of the opening: as low as is clear of everything."""
        assert self._fit is not None
        robot, fit, held = world.robot, self._fit, self._look_at_hand(world)
        before = fit.hand(held, fit.travel)
        obstacles = world.obstacles(self._object)
        lowest = max(float(robot.position[2]) + 0.03, float(before[2]))
        steps = np.linspace(0.0, 1.0, 14)[:, None]
        best, least = [], -1.0
        for rise in _RISES:
            way = [np.array([*place[:2], lowest + rise]) for place in (robot.position, before)]
            across = way[0] + steps * (way[1] - way[0])
            down = way[1] + steps * (before - way[1])
            first = across[: len(steps) // 2, None] + held.points @ robot.rotation.T  # it turns on the way
            then = np.concatenate([across, down[:-1]])[:, None] + held.points @ fit.rotation.T
            room = min(float(distances(clouds, obstacles).min()) for clouds in (first, then))
            if room > least:
                best, least = way, room
            if least > _ROOMY:
                break
        return best

    def _doing(self, verb: str) -> str:
        name, place = (" ".join(w for w in text.split("_") if not w.isdigit()) for text in self._predicate[1:])
        relation = {"carry": f" to the {place}", "insert": f" into the {place}"}.get(verb, "")
        return f"{verb} the {name}{relation}"
