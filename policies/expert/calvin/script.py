"""What all scripts are made of. A script is a generator: it yields commands and is sent the scene as it then is."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from mmact_eval.policies.expert.calvin.hand import matrix, near, turn_between
from mmact_eval.policies.expert.calvin.motion import CLOSE, OPEN, Command
from mmact_eval.policies.expert.calvin.scene import Scene
from mmact_eval.policies.expert.geometry import Array

Script = Generator[Command, Scene, Scene]
"""Ends with the scene that it was sent last."""

TRAVEL = 0.60
"""Height of the tool centre point at which the hand travels above the table, m."""

_CLEAR = -0.09
"""The y up to which the hand comes out of the shelf, or away from the door, before it rises, m."""

_GRIP_STEPS = 10
_MOST_CORRECTED = 0.015
"""By more the target is not led beyond a place: something is in the way, and the arm is strong, m."""

_STILL = 0.0015
"""Metres moved between two queries below which the arm has come to rest."""


def shifted(vector: Array, *, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Array:
    """(3,) a position or Euler angles, moved by so much."""
    moved: Array = vector + np.array([x, y, z])
    return moved


def go(
    scene: Scene,
    position: Array,
    angles: Array,
    gripper: float,
    text: str,
    *,
    speed: float = 1.0,
    tolerance: float = 0.008,
) -> Script:
    """Lead the tool centre point to a pose, and where the arm comes to rest beside it, correct for that.

    Args:
        scene: as it is.
        position: (3,) m.
        angles: (3,) Euler angles.
        gripper, text, speed: see `Command`.
        tolerance: distance at which it is there, m; angles five times as much in rad.
    """
    angles = np.array([near(a, t, 2 * np.pi) for a, t in zip(angles, scene.target[3:], strict=True)])
    goal = np.concatenate([position, angles])
    offset = np.zeros(6)
    corrections = 0
    before = None
    while corrections < 3:
        off = position - scene.position
        # Once it was led there it is as near as it comes: a recording's noise leaves the target beside the goal.
        arrived = before is not None or np.abs(scene.target - goal - offset).max() < 1e-3
        turned = turn_between(scene.rotation, matrix(angles))
        if arrived and np.linalg.norm(off) < tolerance and turned < 5 * tolerance:
            return scene
        if arrived and before is not None and np.linalg.norm(scene.position - before) < _STILL:
            offset[:3] = np.clip(offset[:3] + 0.7 * off, -_MOST_CORRECTED, _MOST_CORRECTED)
            corrections += 1
        before = scene.position
        scene = yield Command(goal + offset, gripper, text, speed, wait=2)
    return scene


def grip(scene: Scene, gripper: float, text: str, steps: int = _GRIP_STEPS) -> Script:
    """Open or close the fingers where the hand is."""
    return (yield Command(scene.target, gripper, text, wait=steps))


def retreat(scene: Scene) -> Script:
    """Come out of the shelf, away from the door and up to where nothing is in the way; what is held is kept."""
    gripper = CLOSE if scene.held else OPEN
    angles = scene.target[3:]
    if scene.position[1] > _CLEAR and scene.position[2] < TRAVEL - 0.02:
        out = np.array([scene.position[0], _CLEAR, max(scene.position[2], 0.48)])
        scene = yield from go(scene, out, angles, gripper, "draw back", speed=0.5, tolerance=0.03)
    if scene.position[2] < TRAVEL - 0.02:
        up = np.array([scene.position[0], scene.position[1], TRAVEL])
        scene = yield from go(scene, up, angles, gripper, "rise", tolerance=0.03)
    return scene


def travel(scene: Scene, position: Array, angles: Array, gripper: float, text: str) -> Script:
    """From the height of travelling to above a pose, then down to it."""
    above = np.array([position[0], position[1], max(TRAVEL, position[2])])
    scene = yield from go(scene, above, angles, gripper, text, tolerance=0.02)
    return (yield from go(scene, position, angles, gripper, text))
