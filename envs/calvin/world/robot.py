"""CALVIN's robot: a Panda with long fingers, driven by relative poses of its tool centre point.

Nothing here is clipped to the convention that actions lie in [-1, 1]: a target that the arm cannot follow runs away and
must be walked back, as upstream. Angles add componentwise to Euler angles (roll, pitch, yaw), they are not composed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmact_eval.envs.calvin.world.bullet import Bullet
from mmact_eval.errors import PolicyContractError

POSITION_SCALE, ROTATION_SCALE = 0.02, 0.05
"""Metres and radians of an action's 1."""

OPEN, CLOSE = 1.0, -1.0
"""The two values of an action's last number."""

NEUTRAL = (-1.21779206, 1.03987646, 2.11978261, -2.34205014, -0.87015947, 1.64119353, 0.55344866)
"""Joint angles in rad when loaded; also what the inverse kinematics prefers."""

_BASE = (-0.34, -0.46, 0.24)
_ARM = tuple(range(7))
_FINGERS = (9, 11)
CAMERA_LINK = 14
_TCP_LINK = 15
_FURTHEST = 1e100
"""From about 1e306 on, pybullet searches for joint angles for ever; no sum of float32 actions comes here."""

_OPEN_WIDTH = 0.04
"""Of one finger, m."""

_LOWEST = np.array([-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973])
_HIGHEST = np.array([2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973])


class Robot:
    """The arm, its fingers and where they are told to be.

    Attributes:
        body: its number in the simulation, the first one.
        gripper_command: `OPEN` or `CLOSE`, the last that was given.
    """

    _target_position: NDArray[np.float64]
    _target_euler: NDArray[np.float64]

    def __init__(self, bullet: Bullet, assets: Path) -> None:
        """Load it, and the white cylinder it stands on.

        Args:
            bullet: a simulation in which nothing has been loaded: body numbers decide about the solver's order.
            assets: the folder of CALVIN's assets.
        """
        self._bullet = bullet
        self.body: int = bullet.loadURDF(
            str(assets / "franka_panda" / "panda_longer_finger.urdf"),
            basePosition=_BASE,
            baseOrientation=(0.0, 0.0, 0.0, 1.0),
            useFixedBase=True,
        )
        shape = bullet.createVisualShape(
            shapeType=bullet.GEOM_CYLINDER,
            rgbaColor=[1, 1, 1, 1],
            radius=0.13,
            length=_BASE[2],
            visualFramePosition=[_BASE[0] - 0.05, _BASE[1], _BASE[2] / 2],
        )
        self.pedestal: int = bullet.createMultiBody(baseVisualShapeIndex=shape)
        fingers = bullet.createConstraint(
            self.body,
            _FINGERS[0],
            self.body,
            _FINGERS[1],
            jointType=bullet.JOINT_GEAR,
            jointAxis=[1, 0, 0],
            parentFramePosition=[0, 0, 0],
            childFramePosition=[0, 0, 0],
        )
        bullet.changeConstraint(fingers, gearRatio=-1, erp=0.1, maxForce=50)  # keeps them centred
        self.gripper_command = OPEN
        self._reset(NEUTRAL, _OPEN_WIDTH)

    def reset(self, robot_obs: NDArray[np.float64]) -> None:
        """Put the joints where a robot vector has them. The gripper's last command stays what it was, as upstream.

        Args:
            robot_obs: (15,), as `observe` gives it; only the joints and the opening width are used.
        """
        self._reset(robot_obs[7:14], robot_obs[6] / 2)

    def act(self, action: NDArray[Any]) -> None:
        """Give the motors their targets.

        Args:
            action: (7,) relative position and Euler angles in units of `POSITION_SCALE` and `ROTATION_SCALE`, and the
                gripper, exactly 1 (open) or -1 (close). Its dtype matters: the scaling is computed in it, as upstream
                does, and policies are evaluated with float32.

        Raises:
            PolicyContractError: the target would be further away than `_FURTHEST`.
        """
        position = self._target_position + action[:3] * POSITION_SCALE
        euler = self._target_euler + action[3:6] * ROTATION_SCALE
        if not (np.abs([position, euler]) < _FURTHEST).all():
            raise PolicyContractError("actions have moved the robot's target to infinity")
        self._target_position, self._target_euler = position, euler
        self._go_to(self._target_position, self._bullet.getQuaternionFromEuler(self._target_euler))
        self.gripper_command = float(action[6])
        opened = self.gripper_command == OPEN
        for finger in _FINGERS:
            self._drive(finger, _OPEN_WIDTH if opened else 0.0, force=2 if opened else 200, velocity=1)

    def observe(self) -> NDArray[np.float64]:
        """(15,): position of the tool centre point (m) and its Euler angles (rad), opening width (m), the seven joint
        angles (rad), the last gripper command."""
        position, quaternion = self._tcp()
        joints = [self._bullet.getJointState(self.body, joint)[0] for joint in (*_FINGERS, *_ARM)]
        euler = self._bullet.getEulerFromQuaternion(quaternion)
        return np.array([*position, *euler, joints[0] + joints[1], *joints[2:], self.gripper_command])

    def target(self) -> NDArray[np.float64]:
        """(6,): position (m) and Euler angles (rad) that actions add to; the angles are not wrapped."""
        return np.concatenate([self._target_position, self._target_euler])

    def _reset(self, joints: Any, finger: float) -> None:
        for joint, angle in zip(_ARM, joints, strict=True):
            self._bullet.resetJointState(self.body, joint, angle)
            self._drive(joint, angle, force=200, velocity=2)
        for joint in _FINGERS:
            self._bullet.resetJointState(self.body, joint, finger)
            self._drive(joint, finger, force=200, velocity=1)
        position, quaternion = self._tcp()
        self._target_position = np.array(position)
        self._target_euler = np.array(self._bullet.getEulerFromQuaternion(quaternion))

    def _go_to(self, position: NDArray[np.float64], quaternion: tuple[float, ...]) -> None:
        solution = self._bullet.calculateInverseKinematics(
            self.body,
            _TCP_LINK,
            position,
            quaternion,
            lowerLimits=[-7] * 9,
            upperLimits=[7] * 9,
            jointRanges=[7] * 9,
            restPoses=[*NEUTRAL, _OPEN_WIDTH, _OPEN_WIDTH],
        )
        for joint, angle in zip(_ARM, np.clip(solution[:7], _LOWEST, _HIGHEST), strict=True):
            self._drive(joint, angle, force=200, velocity=2)

    def _drive(self, joint: int, target: float, force: float, velocity: float) -> None:
        self._bullet.setJointMotorControl2(
            bodyIndex=self.body,
            jointIndex=joint,
            controlMode=self._bullet.POSITION_CONTROL,
            targetPosition=target,
            force=force,
            maxVelocity=velocity,
        )

    def _tcp(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        position, quaternion = self._bullet.getLinkState(self.body, _TCP_LINK)[:2]
        return position, quaternion
