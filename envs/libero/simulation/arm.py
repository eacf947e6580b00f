"""The arm's controller without robosuite's detours: the same numbers in about half the time.

robosuite drives the arm 25 times a control step. Around its operational-space controller, which is used as it is, it
looks names up, computes each Jacobian twice and keeps histories that LIBERO never reads. What remains here is the part
that ends up in `data.ctrl`, in the same order of operations and the same memory layouts, because both show in the last
bits.
"""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

# From 3.4 on `mj_fullM` takes the data instead of its sparse matrix.
_TAKES_DATA = tuple(int(part) for part in mujoco.__version__.split(".")[:2]) >= (3, 4)


_TOWARDS_SHUT = np.array([-1.0, 1.0])


def _clip(values: NDArray[np.float64], low: Any, high: Any) -> NDArray[np.float64]:
    """`np.clip` without its detours: a tenth of the time for vectors this short."""
    clipped: NDArray[np.float64] = np.minimum(np.maximum(values, low), high)
    return clipped


class Arm:
    """Turns actions into actuator commands for the only robot of a LIBERO environment."""

    def __init__(self, problem: Any) -> None:
        """`problem`: the robosuite environment, compiled."""
        self._robot = problem.robots[0]
        self._sim = problem.sim
        self._model = problem.sim.model._model
        self._data = problem.sim.data._data
        model = problem.sim.model
        self._motors = np.array(self._robot._ref_joint_actuator_indexes)
        self._fingers = np.array([model.actuator_name2id(name) for name in self._robot.gripper.actuators])
        ranges = self._model.actuator_ctrlrange
        self._lowest, self._highest = ranges[self._motors, 0], ranges[self._motors, 1]
        finger_ranges = ranges[self._fingers]
        self._bias = 0.5 * (finger_ranges[:, 1] + finger_ranges[:, 0])
        self._weight = 0.5 * (finger_ranges[:, 1] - finger_ranges[:, 0])
        self._controller: Any = None

    def adopt_controller(self) -> None:
        """Take over the controller that robosuite makes anew at each reset."""
        self._controller = self._robot.controller
        self._site = self._sim.model.site_name2id(self._controller.eef_name)
        self._controller.update = self._update

    def command(self, action: NDArray[np.float64], is_new: bool) -> None:
        """Write the actuator commands of one substep.

        Args:
            action: (7,) pose delta and gripper.
            is_new: whether it is the first substep under this action.
        """
        controller = self._controller
        if is_new:
            controller.set_goal(action[: controller.control_dim])
        torques = controller.run_controller()
        # What the gripper's `format_action` does: the fingers approach open or shut by 0.01 a substep.
        gripper = self._robot.gripper
        fingers = gripper.current_action + _TOWARDS_SHUT * gripper.speed * np.sign(action[controller.control_dim :])
        gripper.current_action = fingers = _clip(fingers, -1.0, 1.0)
        ctrl = self._data.ctrl
        ctrl[self._fingers] = self._bias + self._weight * fingers
        ctrl[self._motors] = _clip(torques, self._lowest, self._highest)

    def _update(self, force: bool = False) -> None:
        """Stands in for the controller's `update`: read the arm's kinematics and inertia."""
        controller = self._controller
        if not (controller.new_update or force):
            return
        self._sim.forward()
        data, nv = self._data, self._model.nv
        velocity = data.qvel
        translation, rotation = np.zeros((3, nv)), np.zeros((3, nv))
        mujoco.mj_jacSite(self._model, data, translation, rotation, self._site)
        dofs = controller.qvel_index
        controller.ee_pos = np.array(data.site_xpos[self._site])
        controller.ee_ori_mat = np.array(data.site_xmat[self._site].reshape([3, 3]))
        controller.ee_pos_vel = np.dot(translation, velocity)
        controller.ee_ori_vel = np.dot(rotation, velocity)
        controller.joint_pos = np.array(data.qpos[controller.qpos_index])
        controller.joint_vel = np.array(velocity[dofs])
        controller.J_pos = np.array(translation[:, dofs])
        controller.J_ori = np.array(rotation[:, dofs])
        controller.J_full = np.concatenate((controller.J_pos, controller.J_ori))
        inertia = np.zeros((nv, nv))
        if _TAKES_DATA:
            mujoco.mj_fullM(self._model, data, inertia)
        else:
            mujoco.mj_fullM(self._model, inertia, data.qM)
        controller.mass_matrix = inertia[dofs, :][:, dofs]
        controller.new_update = False
