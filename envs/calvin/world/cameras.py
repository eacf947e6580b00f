"""CALVIN's two cameras: one that looks at the table from afar, one in the hand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmact_eval.envs.calvin.world.bullet import Bullet
from mmact_eval.envs.calvin.world.robot import CAMERA_LINK

SIZES = {"static": (200, 200), "gripper": (84, 84)}
"""Camera → (height, width) of its pictures as published."""

_EYE = (2.871459009488717, -2.166602199425597, 2.555159848480571)
_TARGET = (-0.026242351159453392, -0.0302329882979393, 0.3920000493526459)
_UP = (0.4041403970338857, 0.22629790978217404, 0.8862616969685161)
_STATIC = {"fov": 10, "aspect": 1, "nearVal": 0.01, "farVal": 10}
_GRIPPER = {"fov": 75, "aspect": 1, "nearVal": 0.01, "farVal": 2}


def picture(bullet: Bullet, robot: int, camera: str, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Draw the scene as it is; the simulation does not change.

    Args:
        bullet: the simulation.
        robot: number of the robot's body.
        camera: ``static`` or ``gripper``.
        size: (height, width) in pixels.

    Returns:
        (height, width, 3) uint8 RGB, upright.
    """
    if camera == "static":
        view = bullet.computeViewMatrix(_EYE, _TARGET, _UP)
        lens = _STATIC
    else:
        eye, quaternion = bullet.getLinkState(robot, CAMERA_LINK)[:2]
        axes = np.reshape(bullet.getMatrixFromQuaternion(quaternion), (3, 3))
        ahead, up = axes[:, 1], -axes[:, 2]
        view = bullet.computeViewMatrix(eye, np.array(eye) + ahead, up)
        lens = _GRIPPER
    height, width = size
    projection = bullet.computeProjectionMatrixFOV(**lens)
    rgba = bullet.getCameraImage(width, height, view, projection)[2]
    return np.ascontiguousarray(np.reshape(rgba, (height, width, 4))[..., :3].astype(np.uint8))
