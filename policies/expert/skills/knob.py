"""`turnon` and `turnoff`: take a knob's ridge from above and turn it about its axis."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mmact_eval.policies.expert.geometry import Array
from mmact_eval.policies.expert.moving.motion import CLOSE, OPEN, Command
from mmact_eval.policies.expert.skills.articulation import Handling, hand_rotation, opening_axis, turned
from mmact_eval.policies.expert.world import World

_HOVER, _DEPTH = 0.07, 0.022
_LEAD = 0.45
"""How far ahead of its present angle the hand is asked to turn, radians."""
_DOWN = np.array([0.0, 0.0, -1.0])


class Knob(Handling):
    """Turns a knob on or off; see `Handling`."""

    def _list_phases(self) -> dict[str, Callable[[World], Command | str]]:
        return {
            "reach": self._reach,
            "descend": self._descend,
            "grip": self._grip,
            "turn": self._turn,
            "release": self._release,
            "retreat": self._retreat,
        }

    def _plan(self, world: World) -> None:
        joint = self._joint(world)
        boxes = world.link_boxes(joint.link)
        tops = boxes.corners()[:, :, 2].max(axis=1)
        highest = int(np.argmax(tops))
        level = np.abs(boxes.rotations[highest][2]) < 0.5
        along = int(np.argmax(np.where(level, boxes.half_sizes[highest], 0.0)))
        ridge = boxes.rotations[highest][:, along]
        self._rotation = hand_rotation(_DOWN, np.cross(_DOWN, ridge), world)
        # On the axis, but within the ridge.
        middle = boxes.centers[highest]
        reach = 0.6 * float(boxes.half_sizes[highest][along])
        shift = float(np.clip((joint.anchor - middle) @ ridge, -reach, reach))
        spot = middle + shift * ridge
        self._spot: Array = np.array([*spot[:2], float(tops[highest]) - _DEPTH])

    def _reach(self, world: World) -> Command | str:
        if self._reached(world):
            return "done"
        goal = self._spot + np.array([0.0, 0.0, _HOVER])
        command = self._approach(world, goal, self._rotation, OPEN, f"move above the knob of the {self._spoken()}")
        return "descend" if command is None or self._waited(world) > self.patience else command

    def _descend(self, world: World) -> Command | str:
        if world.robot.position[2] < self._spot[2] + 0.004 or self._stopped(world):
            return "grip"
        text = f"reach down to the knob of the {self._spoken()}"
        return Command(self._spot, self._rotation, OPEN, text, speed=0.8, stop_at=0.003)

    def _grip(self, world: World) -> Command | str:
        if self._waited(world) > 0.5:
            return "turn"
        return Command(self._spot, self._rotation, CLOSE, f"take hold of the knob of the {self._spoken()}")

    def _turn(self, world: World) -> Command | str:
        if self._finished(world) or self._idle(world) > 1.2:
            self._rotation = world.robot.rotation
            return "release"
        angle = _LEAD if self._opens else -_LEAD
        goal = turned(world.robot.rotation, opening_axis(self._joint(world)), angle)
        return Command(self._spot, goal, CLOSE, f"turn the knob of the {self._spoken()}")

    def _release(self, world: World) -> Command | str:
        if world.robot.opening > 0.06 or self._waited(world) > 0.6:
            return "retreat"
        return Command(self._from, self._rotation, OPEN, f"let go of the knob of the {self._spoken()}")

    def _retreat(self, world: World) -> Command | str:
        goal = self._from + np.array([0.0, 0.0, 0.1])
        if world.robot.position[2] > goal[2] - 0.03 or self._waited(world) > 1.5:
            return "done" if self._reached(world) else "retry"
        return Command(goal, self._rotation, OPEN, "draw back", stop_at=0.01)
