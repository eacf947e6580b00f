"""Orientations of the hand as Euler angles.

The hand points down at roll π; its fingers then open along the horizontal direction at yaw - π/2. A pitch below zero
tilts it away from the robot, so that it points under the sliding door's lintel.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from mmact_eval.policies.expert.calvin.scene import Block, Scene
from mmact_eval.policies.expert.geometry import Array

AHEAD = np.pi / 2
"""The yaw at which the fingers open along the table's x; the arm reaches everything with it."""


def euler(yaw: float = AHEAD, pitch: float = 0.0) -> Array:
    """(3,) roll, pitch, yaw of a hand that points down, tilted by `pitch`."""
    return np.array([np.pi, pitch, yaw])


def matrix(angles: Array) -> Array:
    """(3, 3) of Euler angles roll, pitch, yaw."""
    found: Array = Rotation.from_euler("xyz", angles).as_matrix()
    return found


def euler_of(rotation: Array) -> Array:
    """(3,) Euler angles of a hand's orientation, roll and yaw near those of `euler`."""
    angles = Rotation.from_matrix(rotation).as_euler("xyz")
    return np.array([angles[0] % (2 * np.pi), angles[1], near(float(angles[2]), AHEAD, 2 * np.pi)])


def near(angle: float, reference: float, period: float) -> float:
    """The angle plus a multiple of `period` that is closest to `reference`."""
    return reference + (angle - reference + period / 2) % period - period / 2


def turn_between(first: Array, second: Array) -> float:
    """Angle in rad between two orientations (3, 3)."""
    return float(np.arccos(np.clip((np.trace(first.T @ second) - 1) / 2, -1.0, 1.0)))


def level(scene: Scene, block: Block) -> Array:
    """(3, 3): the hand's orientation in which the block that it holds lies flat, turned as little as possible."""
    up = int(np.argmax(np.abs(block.rotation[2])))
    axis = block.rotation[:, up] * np.sign(block.rotation[2, up])
    cross = np.cross(axis, [0.0, 0.0, 1.0])
    sine = float(np.linalg.norm(cross))
    if sine < 1e-6:
        return scene.rotation
    turn: Array = Rotation.from_rotvec(cross / sine * np.arctan2(sine, axis[2])).as_matrix()
    return turn @ scene.rotation
