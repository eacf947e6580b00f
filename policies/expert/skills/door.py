"""`open` and `close` for what turns on a vertical hinge: pull at the handle, then push the door along its arc."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mmact_eval.policies.expert.geometry import Array
from mmact_eval.policies.expert.moving.motion import CLOSE, OPEN, Command
from mmact_eval.policies.expert.skills.articulation import (
    UP,
    Handle,
    Handling,
    find_handle,
    hand_rotation,
    opening_axis,
    openness,
)
from mmact_eval.policies.expert.world import World

_STANDOFF = 0.085
_FINGER = 0.012
"""Half the thickness of closed fingers, with some air, m."""
_LEAD = 0.06
_AJAR = 0.3
"""Share of the range from which the fingers fit behind the door."""
_TILTS = (45.0, 0.0, 30.0)
"""Downwards, degrees, of the hand that takes the handle."""
_DEPTH = 0.022
"""How far the grip site is below the top of a door that the finger tips push, m."""
_RADIUS = 0.75
"""Where the fingers push, as a share of the way from the hinge to the handle."""


class Door(Handling):
    """Opens or closes a door; see `Handling`."""

    def _list_phases(self) -> dict[str, Callable[[World], Command | str]]:
        return {
            "begin": self._start,
            "reach": self._reach,
            "advance": self._advance,
            "grip": self._grip,
            "pull": self._pull,
            "release": self._release,
            "retreat": self._retreat,
            "hover": self._hover,
            "lower": self._lower,
            "push": self._push,
            "leave": self._leave,
        }

    def _plan(self, world: World) -> None:
        side, _, out = self._frame(world)
        tilt = np.radians(_TILTS[self._attempt % len(_TILTS)])
        self._pointing: Array = -out * np.cos(tilt) - UP * np.sin(tilt)
        self._grip_rotation = hand_rotation(self._pointing, np.cross(UP, out), world)
        self._push_rotation = hand_rotation(-UP, side, world)

    def _frame(self, world: World) -> tuple[Array, Array, Array]:
        """Unit vectors of the door now: from the hinge to the free edge, up, and the way that it opens, (3,) each."""
        joint = self._joint(world)
        boxes = world.link_boxes(joint.link)
        panel = boxes.centers[int(np.argmax(np.prod(boxes.half_sizes, axis=1)))]
        side = (panel - joint.anchor) * (1.0, 1.0, 0.0)
        side = side / np.linalg.norm(side)
        return side, UP, np.cross(opening_axis(joint), side)

    def _handle(self, world: World) -> Handle:
        return find_handle(world.link_boxes(self._joint(world).link), self._frame(world)[2])

    def _start(self, world: World) -> Command | str:
        if self._reached(world):
            return "done"
        return "reach" if self._opens and openness(self._joint(world)) < _AJAR else "hover"

    # Taking the handle and pulling the door ajar.

    def _reach(self, world: World) -> Command | str:
        goal = self._handle(world).center - self._pointing * _STANDOFF
        text = f"reach for the handle of the {self._spoken()}"
        command = self._approach(world, goal, self._grip_rotation, OPEN, text)
        return "advance" if command is None or self._waited(world) > self.patience else command

    def _advance(self, world: World) -> Command | str:
        goal = self._handle(world).center
        left = float((goal - world.robot.position) @ self._pointing)
        if left < 0.005 or self._stopped(world) or self._waited(world) > 2.5:
            return "grip" if left < 0.025 else "retry"
        text = f"reach for the handle of the {self._spoken()}"
        return Command(goal, self._grip_rotation, OPEN, text, speed=0.8, stop_at=0.004)

    def _grip(self, world: World) -> Command | str:
        if self._waited(world) > 0.5:
            self._offset = world.robot.position - self._handle(world).center
            return "pull"
        text = f"take hold of the handle of the {self._spoken()}"
        return Command(world.robot.position, self._grip_rotation, CLOSE, text)

    def _pull(self, world: World) -> Command | str:
        center = self._handle(world).center
        slipped = float(np.linalg.norm(world.robot.position - center - self._offset)) > 0.035
        if self._reached(world) or openness(self._joint(world)) > _AJAR or slipped or self._idle(world) > 1.5:
            self._attempt += openness(self._joint(world)) < _AJAR
            return "release"
        goal = center + self._offset + self._frame(world)[2] * _LEAD
        return Command(goal, self._grip_rotation, CLOSE, f"pull the {self._spoken()} open")

    def _release(self, world: World) -> Command | str:
        if world.robot.opening > 0.06 or self._waited(world) > 0.6:
            return "retreat"
        return Command(self._from, world.robot.rotation, OPEN, f"let go of the handle of the {self._spoken()}")

    def _retreat(self, world: World) -> Command | str:
        goal = self._from - self._pointing * 0.1
        if float(np.linalg.norm(world.robot.position - goal)) < 0.03 or self._waited(world) > 1.5:
            self._plan(world)
            return "begin"
        return Command(goal, self._grip_rotation, OPEN, "draw back", stop_at=0.01)

    # Pushing with the tips of closed fingers: from inside to open, from outside to close.

    def _contact(self, world: World, air: float) -> Array:
        """Where the grip site is when the closed fingers are `air` metres from the door, on the side to push from."""
        side, _, out = self._frame(world)
        joint = self._joint(world)
        boxes = world.link_boxes(joint.link)
        panel = boxes.pick(np.arange(len(boxes)) == int(np.argmax(np.prod(boxes.half_sizes, axis=1))))
        corners = panel.corners()[0]
        along, across = (corners - joint.anchor) @ side, (corners - joint.anchor) @ out
        face = float(across.min()) - _FINGER - air if self._opens else float(across.max()) + _FINGER + air
        spot = joint.anchor + side * (_RADIUS * float(along.max())) + out * face
        return np.array([*spot[:2], float(corners[:, 2].max()) - _DEPTH])

    def _hover(self, world: World) -> Command | str:
        goal = self._contact(world, 0.03) + UP * 0.08
        text = f"reach for the door of the {self._spoken()}"
        command = self._approach(world, goal, self._push_rotation, CLOSE, text)
        return "lower" if command is None or self._waited(world) > self.patience else command

    def _lower(self, world: World) -> Command | str:
        goal = self._contact(world, 0.03)
        if world.robot.position[2] < goal[2] + 0.006 or self._stopped(world):
            return "push"
        return Command(goal, self._push_rotation, CLOSE, f"reach for the door of the {self._spoken()}", stop_at=0.004)

    def _push(self, world: World) -> Command | str:
        if self._finished(world) or self._idle(world) > 2.0:
            return "leave"
        side, _, out = self._frame(world)
        ahead = out * _LEAD if self._opens else -out * _LEAD
        rotation = hand_rotation(-UP, side, world)
        verb = "open" if self._opens else "close"
        return Command(self._contact(world, 0.0) + ahead, rotation, CLOSE, f"{verb} the {self._spoken()}")

    def _leave(self, world: World) -> Command | str:
        goal = self._from + UP * 0.12
        if world.robot.position[2] > goal[2] - 0.03 or self._waited(world) > 1.5:
            return "done" if self._reached(world) else "retry"
        return Command(goal, world.robot.rotation, CLOSE, "draw back", stop_at=0.01)
