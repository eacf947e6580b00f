"""From where the hand should be to actions.

Actions add to the controller's target, position in m and Euler angles (roll, pitch, yaw) in rad each for itself, and
the arm follows within a few steps. The ground truth holds the target, so that it is led exactly and never runs away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmact_eval.policies.expert.geometry import Array

POSITION_SCALE, ROTATION_SCALE = 0.02, 0.05
"""Metres and radians of an action's 1."""

OPEN, CLOSE = 1.0, -1.0

_THERE = 1e-5
"""A step smaller than this is waiting: float32 actions leave such remainders, m and rad."""


@dataclass(frozen=True)
class Command:
    """What a script wants next; it is asked again when this has been carried out.

    Attributes:
        goal: (6,) position (m) and Euler angles (rad) that the target is led to.
        gripper: `OPEN` or `CLOSE`.
        text: the sub-task in words.
        speed: share of the top speed (0.6 m/s), in (0, 1].
        wait: steps to stay there once the target has arrived, at least 1.
    """

    goal: Array
    gripper: float
    text: str
    speed: float = 1.0
    wait: int = 1


class Motion:
    """A command on its way to being carried out.

    Attributes:
        command: what is carried out.
        done: whether all actions of it have been given.
    """

    def __init__(self, command: Command) -> None:
        self.command = command
        self.done = False
        self._waited = 0

    def next(self, target: Array, length: int) -> NDArray[np.float32]:
        """The next actions (T, 7), 1 ≤ T ≤ `length`, in [-1, 1].

        They follow from where the target is: how they are cut into chunks changes nothing.

        Args:
            target: (6,) where the controller's target is now.
            length: the most actions wanted.
        """
        left = self.command.goal - target
        actions: list[Array] = []
        while len(actions) < length and not self.done:
            step = _towards(left, self.command.speed)
            left = left - step
            self._waited += bool(np.abs(step).max() < _THERE)
            self.done = self._waited >= self.command.wait
            scaled = step / np.repeat([POSITION_SCALE, ROTATION_SCALE], 3)
            actions.append(np.append(np.clip(scaled, -1.0, 1.0), self.command.gripper))
        return np.array(actions, np.float32)


def _towards(left: Array, speed: float) -> Array:
    """(6,) one step of what is left: straight in position, each angle for itself."""
    distance = float(np.linalg.norm(left[:3]))
    share = min(1.0, POSITION_SCALE * speed / max(distance, 1e-9))
    return np.concatenate([left[:3] * share, np.clip(left[3:], -ROTATION_SCALE, ROTATION_SCALE)])
