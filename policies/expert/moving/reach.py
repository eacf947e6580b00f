"""What the arm behind the hand can do: how far it reaches, and where its forearm and wrist are.

Numbers are those of the Panda with its two-finger hand, in metres. The arm is thought of as lying in the vertical plane
through its base and the grip site, with the elbow up, which holds to a few centimetres wherever LIBERO's tables are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmact_eval.policies.expert.geometry import Array, axis_rotation, top_down

SHOULDER_HEIGHT = 0.333
WRIST_TO_SITE = 0.204
"""Along the hand, from the axis of joint 6 to the grip site."""
WRIST_OFFSET = 0.088
"""Across the hand: the wrist is that much nearer to the base."""
MAX_REACH = 0.665
"""From the shoulder to the wrist. At 0.719 the elbow is straight, and past that point it locks the wrong
way round; from 0.69 on the arm swerves by centimetres."""
MIN_REACH = 0.235
"""From the shoulder to the wrist; at 0.20 the elbow is bent as far as it goes."""

TILTS = ((0.0, 0.0), (0.2, 0.0), (0.0, 0.25), (0.0, -0.25), (0.4, 0.0), (-0.25, 0.0), (0.6, 0.0))
"""Ways to hold the hand, best first: radians that the fingers point outward and to the left of straight down."""

# Link 6 (wrist) and link 5 (forearm) in the frame of the arm: outward, to the left, up from the grip site; without an
# end above, because they come down from there.
_WRIST_LOW, _WRIST_HIGH = np.array([-0.145, -0.052, 0.125]), np.array([0.05, 0.052, 1.0])
_FOREARM_LOW, _FOREARM_HIGH = np.array([-0.12, -0.015, 0.145]), np.array([-0.015, 0.135, 1.0])


def outward(position: Array, base: Array) -> Array:
    """Horizontal unit vector (3,) from the robot's base towards a position."""
    away = np.array([position[0] - base[0], position[1] - base[1], 0.0])
    unit: Array = away / max(float(np.linalg.norm(away)), 1e-6)
    return unit


def tilted(yaw: float, position: Array, base: Array, tilt: tuple[float, float]) -> Array:
    """A hand at `position` that closes along `yaw` and points down but for a tilt (see `TILTS`), (3, 3)."""
    ahead = outward(position, base)
    left = np.array([-ahead[1], ahead[0], 0.0])
    return axis_rotation(-left, tilt[0]) @ axis_rotation(ahead, tilt[1]) @ top_down(yaw)


def shortfall(position: Array, rotation: Array, base: Array) -> float:
    """Metres that the wrist would be too far from the shoulder, or too close to it; not positive where it can go."""
    pointing = rotation[:, 2]
    ahead = outward(position, base)
    across = ahead - pointing * float(ahead @ pointing)
    across /= max(float(np.linalg.norm(across)), 1e-6)
    wrist = position - WRIST_TO_SITE * pointing - WRIST_OFFSET * across
    shoulder = base + np.array([0.0, 0.0, SHOULDER_HEIGHT])
    distance = float(np.linalg.norm(wrist - shoulder))
    return max(distance - MAX_REACH, MIN_REACH - distance)


def ceiling(position: Array, rotation: Array, base: Array) -> float:
    """The greatest height (m, world) up to which the hand can rise from above `position`, never below it."""
    heights = position[2] + np.arange(0.0, 0.6, 0.01)
    highest = float(position[2])
    for height in heights:
        if shortfall(np.array([*position[:2], height]), rotation, base) <= 0.0:
            highest = float(height)
    return highest


def in_arm(points: Array, position: Array, rotation: Array, base: Array) -> NDArray[np.bool_]:
    """Which of the points (N, 3) are within the wrist or the forearm when the hand is there, or above it, (N,)."""
    up = -rotation[:, 2]
    ahead = outward(position, base)
    ahead = ahead - up * float(ahead @ up)
    ahead /= max(float(np.linalg.norm(ahead)), 1e-6)
    local = (points - position) @ np.stack([ahead, np.cross(up, ahead), up], axis=1)
    wrist = np.all((local > _WRIST_LOW) & (local < _WRIST_HIGH), axis=1)
    forearm = np.all((local > _FOREARM_LOW) & (local < _FOREARM_HIGH), axis=1)
    result: NDArray[np.bool_] = wrist | forearm
    return result
