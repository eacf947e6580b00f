"""How an object is taken hold of from above: a machine of phases, up to where it is held.

Each query looks at the scene, moves on through the phases that are finished, and returns the command of the current
one; a grasp that slips sends it back to the start with the next-best grasp.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mmact_eval.policies.expert.geometry import Array, top_down
from mmact_eval.policies.expert.grasping.grasp import Grasp, is_free, plan_grasps
from mmact_eval.policies.expert.moving.hand import PALM_ABOVE_SITE, TIP_BELOW_SITE
from mmact_eval.policies.expert.moving.motion import CLOSE, OPEN, Command, turn_between
from mmact_eval.policies.expert.moving.reach import ceiling, shortfall
from mmact_eval.policies.expert.moving.transport import travel_height
from mmact_eval.policies.expert.world import Predicate, World

_SLIP, _SAG = 0.035, 0.1
"""How far (m) an object may move in the hand: when it has left a finger, and when it sags between both."""
_POINTING = np.array([0.0, 0.0, 1.0])
_REST, _REST_SPEED = 0.4, 0.012
"""After that many seconds in a phase, an arm slower than this (m/s) has come as far as it will."""
_SHUT = 0.004
_ELSEWHERE = 0.04
"""A grasp that far (m) from one that failed is worth a try."""
_SETTLED, _STRETCHED = 0.04, -0.1
"""An arm within 10 cm of its reach swerves when it turns a corner faster than this (m/s)."""
PATIENCE = {
    "reach": 6.0,
    "descend": 2.5,
    "close": 1.5,
    "lift": 3.0,
    "carry": 6.0,
    "lower": 3.0,
    "settle": 2.0,
    "release": 0.6,
    "shake": 3.0,
    "retreat": 2.0,
}
"""Seconds until a phase is given up. `close` and those after `carry` then count as finished, the others start anew."""


class Pick:
    """The phases until an object is held: `reach`, `descend` and `close`. Subclasses add `lift` and those after it.

    Args:
        predicate: ``(relation, object, place)``.
        world: the scene at the start.
    """

    def __init__(self, predicate: Predicate, world: World) -> None:
        self._predicate = predicate
        self._object = predicate[1]
        self._attempt = 0
        self._failed: list[Array] = []
        self._pace = 0.0
        self._last_seen = (world.time, world.robot.position)
        self._phases: dict[str, Callable[[World], Command | str]] = {
            "reach": self._reach,
            "descend": self._descend,
            "close": self._close,
        }
        self._begin(world)

    def next(self, world: World) -> Command | None:
        """The command until the next query, or None once the object has been let go."""
        self._measure_pace(world)
        for _ in range(2 * len(self._phases)):
            if self._phase == "done":
                return None
            answer = self._phases[self._phase](world)
            if isinstance(answer, Command):
                return answer
            if answer in ("again", "retry") and world.holds(self._predicate):
                self._enter("release", world)  # it slipped to where it belongs
            elif answer in ("again", "retry"):
                if answer == "retry":
                    self._attempt += 1
                    self._failed.append(self._local(self._grasp, world))
                self._begin(world)
            else:
                self._enter(answer, world)
        raise AssertionError(f"the phases of {self._predicate} do not settle")

    def _begin(self, world: World) -> None:
        """(Re)plan the grasp; each attempt takes the next-best one."""
        self._grasp = self._choose(world)
        self._seen_at = world.bodies[self._object].position
        self._last_opening = world.robot.opening
        self._held_offset: Array | None = None
        self._enter("reach", world)

    def _choose(self, world: World) -> Grasp:
        """The best grasp; after failures the one farthest from them, or the next one if all are at the same place."""
        grasps = plan_grasps(world, self._object)
        if not grasps:
            return _straight_down(world, self._object)
        if self._failed:
            places = [self._local(grasp, world) for grasp in grasps]
            away = [min(float(np.linalg.norm(place - failed)) for failed in self._failed) for place in places]
            if max(away) > _ELSEWHERE:
                return grasps[int(np.argmax(away))]
        return grasps[self._attempt % len(grasps)]

    def _local(self, grasp: Grasp, world: World) -> Array:
        """Where on the object a grasp is, (3,) in the object's frame."""
        body = world.bodies[self._object]
        place: Array = (grasp.position - body.position) @ body.rotation
        return place

    def _enter(self, phase: str, world: World) -> None:
        self._phase = phase
        self._since = world.time
        self._from = world.robot.position

    def _overdue(self, world: World) -> bool:
        return world.time - self._since > PATIENCE[self._phase]

    def _measure_pace(self, world: World) -> None:
        """How fast the gripper really moves; an arm at its joint limits reports velocities that it does not have."""
        time, position = self._last_seen
        if world.time > time:
            self._pace = float(np.linalg.norm(world.robot.position - position)) / (world.time - time)
        self._last_seen = (world.time, world.robot.position)

    def _at_rest(self, world: World) -> bool:
        return world.time - self._since > _REST and self._pace < _REST_SPEED

    # The phases: each returns its command, or the name of the next phase ("again": anew, "retry": with another grasp).

    def _reach(self, world: World) -> Command | str:
        robot, grasp = world.robot, self._grasp
        if self._moved(world):
            return "again"
        # Anew at every query: in some scenes objects are still falling when the episode begins.
        begin = grasp.start
        hover = travel_height(world, robot.position, begin, TIP_BELOW_SITE)
        hover = max(float(begin[2]), min(hover, ceiling(begin, grasp.rotation, robot.base)))
        above = np.array([*begin[:2], hover])
        aside = float(np.linalg.norm((robot.position - above)[:2]))
        turned = turn_between(robot.rotation, grasp.rotation)
        there = aside < 0.006 and turned < 0.06
        if there and self._pace > _SETTLED and shortfall(grasp.position, grasp.rotation, robot.base) > _STRETCHED:
            return Command(above, grasp.rotation, OPEN, f"move above the {spoken(self._object)}")
        if there or (self._at_rest(world) and aside < 0.015 and turned < 0.15):  # the latter is as good as it gets
            blocked = np.isfinite(grasp.cost) and not is_free(world, self._object, grasp)
            return "again" if blocked else "descend"
        if self._overdue(world):
            return "retry"
        if aside > 0.04 and robot.position[2] < hover - 0.03:  # clear the obstacles first
            above = np.array([*robot.position[:2], hover + 0.01])
        return Command(above, grasp.rotation, OPEN, f"move above the {spoken(self._object)}", stop_at=0.004)

    def _descend(self, world: World) -> Command | str:
        robot, grasp = world.robot, self._grasp
        if self._moved(world):
            return "retry"
        left = np.abs(robot.position - grasp.position)
        if left[2] < 0.004 and float(np.linalg.norm(left[:2])) < 0.008:
            return "close"
        if self._at_rest(world) or self._overdue(world):
            near = left[2] < 0.012 and float(np.linalg.norm(left[:2])) < 0.012
            return "close" if near else "retry"
        high = robot.position[2] > grasp.start[2] + 0.015
        goal, along = (grasp.start, _POINTING) if high else (grasp.position, grasp.rotation[:, 2])
        aside = float(np.linalg.norm(np.cross(robot.position - goal, along)))
        speed = 0.8 if aside < 0.01 else 0.3
        text = f"reach down to the {spoken(self._object)}"
        return Command(goal, grasp.rotation, OPEN, text, speed=speed, stop_at=0.003)

    def _close(self, world: World) -> Command | str:
        robot, grasp = world.robot, self._grasp
        closing = world.time - self._since
        still = abs(robot.opening - self._last_opening) < 0.001
        self._last_opening = robot.opening
        settled = robot.pinches(self._object) or robot.opening < _SHUT
        if (closing > 0.4 and still and settled) or self._overdue(world):
            self._held_offset = self._offset(world)
            return "lift"
        goal = grasp.position
        left, right = (self._object in touched for touched in robot.touching)
        if left != right:  # give way towards the finger that touches, rather than to push the object around
            goal = robot.position + (0.5 if right else -0.5) * robot.opening * robot.rotation[:, 0]
            goal[2] = grasp.position[2]
        return Command(goal, grasp.rotation, CLOSE, f"grasp the {spoken(self._object)}")

    # What the phases look at.

    def _moved(self, world: World) -> bool:
        return float(np.linalg.norm(world.bodies[self._object].position - self._seen_at)) > 0.01

    def _offset(self, world: World) -> Array:
        """Where the object is in the hand, (3,)."""
        offset: Array = (world.bodies[self._object].position - world.robot.position) @ world.robot.rotation
        return offset

    def _slipped(self, world: World) -> bool:
        if self._held_offset is None:
            return False
        slack = _SAG if world.robot.pinches(self._object) else _SLIP
        return float(np.linalg.norm(self._offset(world) - self._held_offset)) > slack


def _straight_down(world: World, name: str) -> Grasp:
    """A blind grasp at the middle of an object, for when no candidate is free of collisions."""
    low, high = world.boxes(name).bounds()
    middle = (low + high) / 2.0
    height = max(low[2] + TIP_BELOW_SITE, high[2] - PALM_ABOVE_SITE)
    size = high - low
    yaw = 0.0 if size[0] < size[1] else np.pi / 2.0
    return Grasp(np.array([*middle[:2], height]), top_down(yaw), float(min(size[:2])), np.inf)


def spoken(name: str) -> str:
    """``alphabet_soup_1`` → ``alphabet soup``; ``basket_1_contain_region`` → ``basket contain region``."""
    return " ".join(word for word in name.split("_") if not word.isdigit())
