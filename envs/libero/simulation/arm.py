"""The arm's commands: what the operational-space controller and the gripper want, in `data.ctrl`.

What robosuite's `robot.control` does besides (histories, end-effector forces) LIBERO never reads. The same operations
stand here in the same order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmact_eval.envs.libero.simulation.operational_space import OperationalSpace, is_plain

_OPENING_TO_SHUT = np.array([-1.0, 1.0])
_OPEN, _SHUT = np.full(2, -1.0), np.full(2, 1.0)


class Arm:
    """Turns actions into actuator commands for the only robot of a LIBERO environment.

    Attributes:
        as_robosuite: let robosuite's own controller object compute every torque; the numbers are the same.
    """

    def __init__(self, problem: Any) -> None:
        """`problem`: the robosuite environment, compiled."""
        self._robot = problem.robots[0]
        self._data = problem.sim.data._data
        model = problem.sim.model
        self._motors = np.array(self._robot._ref_joint_actuator_indexes)
        self._fingers = np.array([model.actuator_name2id(name) for name in self._robot.gripper.actuators])
        ranges = model._model.actuator_ctrlrange
        self._lowest, self._highest = ranges[self._motors, 0], ranges[self._motors, 1]
        finger_ranges = ranges[self._fingers]
        self._bias = 0.5 * (finger_ranges[:, 1] + finger_ranges[:, 0])
        self._weight = 0.5 * (finger_ranges[:, 1] - finger_ranges[:, 0])
        self._closing = np.zeros(2)
        self._controller: Any = None
        self._fast: OperationalSpace | None = None
        self._is_first = True
        self.as_robosuite = False

    def adopt_controller(self) -> None:
        """Take over the controller that robosuite makes anew at each reset."""
        controller = self._controller = self._robot.controller
        self._fast = None
        if is_plain(controller) and not self.as_robosuite:
            self._fast = OperationalSpace(controller)
        self._is_first = True

    def command(self, action: NDArray[np.float64], is_new: bool) -> None:
        """Write the actuator commands of one substep.

        Args:
            action: (7,) pose delta and gripper.
            is_new: whether it is the first substep under this action.
        """
        controller = self._controller
        dim = controller.control_dim
        # In the first substep robosuite goes by what it has read at the reset, before the initial state was set.
        law = controller if self._fast is None or self._is_first else self._fast
        self._is_first = False
        if is_new:
            law.set_goal(action[:dim])
            # What the gripper's `format_action` does: the fingers approach open or shut by 0.01 a substep.
            self._closing = _OPENING_TO_SHUT * self._robot.gripper.speed * np.sign(action[dim:])
        torques = law.run_controller()
        gripper = self._robot.gripper
        fingers = gripper.current_action + self._closing
        gripper.current_action = np.minimum(np.maximum(fingers, _OPEN, fingers), _SHUT, fingers)
        ctrl = self._data.ctrl
        ctrl[self._fingers] = self._bias + self._weight * fingers
        ctrl[self._motors] = np.minimum(np.maximum(torques, self._lowest), self._highest)
