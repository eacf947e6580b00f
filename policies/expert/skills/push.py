"""The skill behind ``on object zone`` for what lies on the same surface and cannot be held firmly, such as a plate.

The fingers pinch the rim ahead of the object's middle and draw it over the surface, so that it trails behind: that
takes little force, needs no room behind the object, and keeps its direction by itself.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mmact_eval.policies.expert.geometry import Array, axis_rotation, nearest_equivalent_yaw, yaw_of
from mmact_eval.policies.expert.moving.hand import TIP_BELOW_SITE, hand_is_free
from mmact_eval.policies.expert.moving.motion import CLOSE, OPEN, Command, turn_between
from mmact_eval.policies.expert.moving.reach import TILTS, ceiling, shortfall, tilted
from mmact_eval.policies.expert.moving.transport import travel_height
from mmact_eval.policies.expert.world import Predicate, World

_INSET, _BELOW_RIM = 0.004, 0.003
"""Where the grip site pinches a rim: that far (m) inside its edge, and below its top."""
_RAISE = 0.012
"""While it is drawn, the rim ahead is lifted that far (m) over the surface, and slides onto what lies in the way."""
_CLOSE_ENOUGH, _SLIP = 0.012, 0.03
_LEVEL = 0.12
"""The fingers are level to that many radians, or the lower one stands on the object before the other gets to it."""
_TURNS = tuple(np.radians(degrees) for degrees in (0, 20, -20, 40, -40))
_VERTICAL = np.array([0.0, 0.0, 1.0])
_PATIENCE = {"reach": 4.0, "descend": 2.5, "pinch": 1.2, "draw": 6.0, "open": 0.5, "retreat": 1.5}
_REST, _REST_SPEED, _SPEED = 0.4, 0.01, 0.4


class Push:
    """Makes ``on object zone`` true by sliding the object over its surface.

    Args:
        predicate: ``("on", object, zone)``.
        world: the scene at the start.
    """

    def __init__(self, predicate: Predicate, world: World) -> None:
        self._object, self._zone = predicate[1], predicate[2]
        self._contact, self._rotation = plan_contact(world, self._object, self._way(world))
        self._offset = self._contact - world.bodies[self._object].position
        self._phases: dict[str, Callable[[World], Command | str]] = {
            "reach": self._reach,
            "descend": self._descend,
            "pinch": self._pinch,
            "draw": self._draw,
            "open": self._open,
            "retreat": self._retreat,
        }
        self._last_seen = (world.time, world.robot.position)
        self._enter("reach", world)

    def next(self, world: World) -> Command | None:
        """The command until the next query, or None once the hand has let go of the object."""
        time, position = self._last_seen
        passed = max(world.time - time, 1e-6)
        still = float(np.linalg.norm(world.robot.position - position)) / passed < _REST_SPEED
        self._at_rest = still and world.time - self._since > _REST
        self._last_seen = (world.time, world.robot.position)
        while self._phase != "done":
            answer = self._phases[self._phase](world)
            if isinstance(answer, Command):
                return answer
            self._enter(answer, world)
        return None

    def _enter(self, phase: str, world: World) -> None:
        self._phase, self._since, self._from = phase, world.time, world.robot.position
        self._at_rest = False

    def _given_up(self, world: World) -> bool:
        return self._at_rest or world.time - self._since > _PATIENCE[self._phase]

    def _way(self, world: World) -> Array:
        """From where the object is to where it belongs, (3,) m, horizontal."""
        way = world.regions[self._zone].position - world.bodies[self._object].position
        return np.array([way[0], way[1], 0.0])

    def _reach(self, world: World) -> Command | str:
        robot = world.robot
        hover = travel_height(world, robot.position, self._contact, TIP_BELOW_SITE)
        above = np.array([*self._contact[:2], min(hover, ceiling(self._contact, self._rotation, robot.base))])
        aside = float(np.linalg.norm((robot.position - above)[:2]))
        if (aside < 0.008 and turn_between(robot.rotation, self._rotation) < 0.1) or self._given_up(world):
            return "descend"
        if aside > 0.04 and robot.position[2] < hover - 0.03:
            above = np.array([*robot.position[:2], hover + 0.01])
        return Command(above, self._rotation, OPEN, f"move above the {self._spoken()}", stop_at=0.004)

    def _descend(self, world: World) -> Command | str:
        if float(np.linalg.norm(world.robot.position - self._contact)) < 0.005 or self._given_up(world):
            return "pinch"
        high = world.robot.position[2] > self._contact[2] + 0.04
        text = f"reach down to the rim of the {self._spoken()}"
        return Command(self._contact, self._rotation, OPEN, text, speed=0.8 if high else 0.4, stop_at=0.003)

    def _pinch(self, world: World) -> Command | str:
        closed = world.time - self._since > 0.6 and world.robot.pinches(self._object)
        if closed or world.time - self._since > _PATIENCE["pinch"]:
            self._offset = world.robot.position - world.bodies[self._object].position
            return "draw"
        return Command(self._contact, self._rotation, CLOSE, f"pinch the rim of the {self._spoken()}")

    def _draw(self, world: World) -> Command | str:
        robot, way = world.robot, self._way(world)
        slipped = float(np.linalg.norm((robot.position - world.bodies[self._object].position - self._offset)[:2]))
        if float(np.linalg.norm(way)) < _CLOSE_ENOUGH or slipped > _SLIP or self._given_up(world):
            return "open"
        goal = robot.position + way
        goal[2] = self._contact[2] + _RAISE
        return Command(goal, self._rotation, CLOSE, f"push the {self._spoken()}", speed=_SPEED)

    def _open(self, world: World) -> Command | str:
        if world.robot.opening > 0.06 or world.time - self._since > _PATIENCE["open"]:
            return "retreat"
        return Command(self._from, self._rotation, OPEN, f"let go of the {self._spoken()}")

    def _retreat(self, world: World) -> Command | str:
        goal = self._from + np.array([0.0, 0.0, 0.08])
        if world.robot.position[2] > goal[2] - 0.02 or self._given_up(world):
            return "done"
        return Command(goal, self._rotation, OPEN, "draw back", stop_at=0.01)

    def _spoken(self) -> str:
        return " ".join(word for word in self._object.split("_") if not word.isdigit())


def plan_contact(world: World, name: str, way: Array) -> tuple[Array, Array]:
    """Where the grip site (3,) pinches the rim of an object that is to go along `way` (3,), and the hand (3, 3).

    The rim straight ahead is best; where that is out of reach or something is in the way, it is one more to the side.
    """
    middle = world.bodies[name].position
    points = world.boxes(name).surface_points(0.004)
    height = float(points[:, 2].max()) - _BELOW_RIM
    base, reference = world.robot.base, yaw_of(world.robot.rotation[:, 0])
    plans: list[tuple[Array, Array]] = []
    for turn in _TURNS:
        ahead: Array = axis_rotation(_VERTICAL, turn) @ (way / max(float(np.linalg.norm(way)), 1e-6))
        rim = float(((points - middle) @ ahead).max())
        contact = np.array([*(middle + (rim - _INSET) * ahead)[:2], height])
        yaw = nearest_equivalent_yaw(yaw_of(ahead), reference)
        for tilt in TILTS:
            hand = tilted(yaw, contact, base, tilt)
            plans.append((contact, hand))
            if abs(hand[2, 0]) > _LEVEL:
                continue
            reached = all(shortfall(place, hand, base) <= 0.0 for place in (contact, contact + way))
            if reached and hand_is_free(world, contact, hand, name):
                return contact, hand
    return plans[0]
