"""`open` and `close` for what slides: take a drawer's handle across and pull, or push its front in."""

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
    turned,
)
from mmact_eval.policies.expert.world import World

_STANDOFF = 0.085
_TIP = 0.009
_LEAD = 0.05
"""How far ahead of the drawer the hand is sent, m: the controller turns that into force."""
_AZIMUTHS = (40.0, 0.0)
"""How far a level hand, which closes above and below the bar, is turned towards the robot, degrees."""
_HOOK_TILT, _HOOK_GAP, _PRESS = 50.0, 0.008, 0.02
"""Closed fingers reach down behind the bar at this tilt (degrees); half the gap there and what they press down, m."""
_PUSH_TILTS = (40.0, 60.0)
_LEVEL_ROOM = 0.115
"""A hand that closes vertically reaches this far below the bar that it holds, m; lower ones are taken tilted."""


class Drawer(Handling):
    """Opens or closes a drawer; see `Handling`."""

    def _list_phases(self) -> dict[str, Callable[[World], Command | str]]:
        if self._opens:
            return {
                "reach": self._reach,
                "advance": self._advance,
                "grip": self._grip,
                "pull": self._pull,
                "release": self._release,
                "retreat": self._retreat,
            }
        return {"reach": self._reach, "push": self._push, "retreat": self._retreat}

    def _plan(self, world: World) -> None:
        out = opening_axis(self._joint(world))
        self._hooks = self._opens and self._must_hook(world)
        azimuth = 0.0
        if self._hooks:
            tilt = np.radians(_HOOK_TILT)
        elif self._opens:
            tilt, azimuth = 0.0, _AZIMUTHS[self._attempt % len(_AZIMUTHS)]
        else:
            tilt = np.radians(_PUSH_TILTS[self._attempt % len(_PUSH_TILTS)])
        away = self._handle(world).center - world.robot.base
        side = float(np.sign(np.cross(-out, away)[2]) or 1.0)  # towards which side the arm comes
        self._level: Array = turned(-out, UP, side * np.radians(azimuth))
        self._pointing: Array = self._level * np.cos(tilt) - UP * np.sin(tilt)
        self._fingers = OPEN if self._opens and not self._hooks else CLOSE
        closing = UP if self._fingers == OPEN else np.cross(UP, out)
        self._rotation = hand_rotation(self._pointing, closing, world)

    def _must_hook(self, world: World) -> bool:
        """Whether there is no room below the bar for a level hand; every third attempt hooks anyway."""
        bar = self._handle(world)
        floor = world.support_height(bar.center - 0.02 * UP, self._joint(world).owner, radius=0.0)
        return bool(bar.center[2] - floor < _LEVEL_ROOM) or self._attempt % 3 == 2

    def _handle(self, world: World) -> Handle:
        joint = self._joint(world)
        return find_handle(world.link_boxes(joint.link), opening_axis(joint))

    def _contact(self, world: World) -> Array:
        """Where the grip site is when the hand has the handle between its pads, or its tips at the front."""
        bar = self._handle(world)
        out = opening_axis(self._joint(world))
        if self._hooks:  # the lowest edge of the tips goes behind the bar
            low = bar.center - out * (bar.depth + _HOOK_GAP) + UP * 0.004
            edge = np.cross(np.cross(self._level, UP), self._pointing)
            return np.asarray(low - _TIP * self._pointing - _TIP * edge)
        if self._opens:
            return bar.center
        return np.asarray(bar.center + out * bar.depth - self._pointing * _TIP)

    def _reach(self, world: World) -> Command | str:
        if self._reached(world):
            return "done"
        goal = self._contact(world) - self._pointing * _STANDOFF
        command = self._approach(world, goal, self._rotation, self._fingers, f"reach for the {self._spoken()}")
        if command is not None and self._waited(world) < self.patience:
            return command
        return "advance" if self._opens else "push"

    def _advance(self, world: World) -> Command | str:
        goal = self._contact(world)
        left = float((goal - world.robot.position) @ self._pointing)
        if left < 0.005 or self._stopped(world) or self._waited(world) > 2.5:
            return "grip" if left < 0.025 else "retry"
        return Command(goal, self._rotation, self._fingers, f"reach for the {self._spoken()}", speed=0.8, stop_at=0.004)

    def _grip(self, world: World) -> Command | str:
        if self._hooks or self._waited(world) > 0.5:
            self._offset = world.robot.position - self._handle(world).center
            return "pull"
        return Command(world.robot.position, self._rotation, CLOSE, f"take hold of the {self._spoken()}")

    def _pull(self, world: World) -> Command | str:
        if self._finished(world):
            return "release"
        center = self._handle(world).center
        slipped = float(np.linalg.norm(world.robot.position - center - self._offset)) > 0.025
        if slipped or self._idle(world) > 1.2:
            self._attempt += 1
            return "release"
        goal = center + self._offset + opening_axis(self._joint(world)) * _LEAD
        if self._hooks:
            goal = goal - UP * _PRESS
        return Command(goal, self._rotation, CLOSE, f"open the {self._spoken()}")

    def _push(self, world: World) -> Command | str:
        if self._finished(world):
            return "retreat"
        if self._idle(world) > 2.0:
            self._attempt += 1
            return "retreat"
        goal = self._contact(world) - opening_axis(self._joint(world)) * _LEAD
        return Command(goal, self._rotation, CLOSE, f"close the {self._spoken()}")

    def _release(self, world: World) -> Command | str:
        if self._hooks or world.robot.opening > 0.06 or self._waited(world) > 0.6:
            return "retreat"
        return Command(self._from, self._rotation, OPEN, f"let go of the {self._spoken()}")

    def _retreat(self, world: World) -> Command | str:
        goal = self._from - self._pointing * 0.08
        if float(np.linalg.norm(world.robot.position - goal)) < 0.025 or self._waited(world) > 1.5:
            if self._reached(world):
                return "done"
            self._plan(world)
            return "reach"
        return Command(goal, self._rotation, self._fingers, "draw back", stop_at=0.01)
