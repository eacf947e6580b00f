"""The arm's commands: what the operational-space controller and the gripper want, in `data.ctrl`.

What robosuite's `robot.control` does besides (histories, end-effector forces) LIBERO never reads. The same operations
stand here in the same order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmact_eval.envs.libero.simulation.operational_space import OperationalSpace, as_slice, is_plain

_OPENING_TO_SHUT = np.array([-1.0, 1.0])


class Arm:
    """Turns actions into actuator commands for the only robot of a LIBERO environment.

    Attributes:
        as_robosuite: from the next reset on, let robosuite's own controller object compute every torque; the numbers
            are the same.
    """

    def __init__(self, problem: Any, substeps: int) -> None:
        """`problem`: the robosuite environment, compiled; `substeps`: how many each action is applied for."""
        self._robot, self._substeps = problem.robots[0], substeps
        self._ctrl = problem.sim.data._data.ctrl
        model = problem.sim.model
        motors = list(self._robot._ref_joint_actuator_indexes)
        fingers = [model.actuator_name2id(name) for name in self._robot.gripper.actuators]
        self._motors, self._fingers = as_slice(motors), as_slice(fingers)
        ranges = model._model.actuator_ctrlrange
        self._lowest, self._highest = ranges[motors, 0], ranges[motors, 1]
        self._clipped = np.zeros(len(motors))
        finger_ranges = ranges[fingers]
        self._bias = 0.5 * (finger_ranges[:, 1] + finger_ranges[:, 0])
        self._weight = 0.5 * (finger_ranges[:, 1] - finger_ranges[:, 0])
        self._finger_commands = np.zeros((substeps, len(fingers)))
        self._controller: Any = None
        self._fast: OperationalSpace | None = None
        self._is_first = True
        self.as_robosuite = False

    def adopt_controller(self) -> None:
        """Take over the controller that robosuite makes anew at each reset."""
        self._controller = self._robot.controller
        is_fast = is_plain(self._controller) and not self.as_robosuite
        self._fast = OperationalSpace(self._controller) if is_fast else None
        self._is_first = True

    def command(self, action: NDArray[np.float64], substep: int) -> None:
        """Write the actuator commands of one substep.

        Args:
            action: (7,) pose delta and gripper.
            substep: number of the substep under this action, from 0.
        """
        # In the first substep robosuite goes by what it has read at the reset, before the initial state was set.
        law = self._controller if self._fast is None or self._is_first else self._fast
        self._is_first = False
        if substep == 0:
            dim = self._controller.control_dim
            law.set_goal(action[:dim])
            self._plan_fingers(action[dim:])
        torques = np.maximum(law.run_controller(), self._lowest, self._clipped)
        ctrl = self._ctrl
        ctrl[self._fingers] = self._finger_commands[substep]
        ctrl[self._motors] = np.minimum(torques, self._highest, torques)

    def _plan_fingers(self, action: NDArray[np.float64]) -> None:
        """What the gripper's `format_action` does in each substep: open or shut by 0.01, up to the end.

        All substeps at once: the sums are taken one after the other, and one that is beyond the end would stay there.
        """
        gripper = self._robot.gripper
        way = np.empty((self._substeps + 1, 2))
        way[0] = gripper.current_action
        way[1:] = _OPENING_TO_SHUT * gripper.speed * np.sign(action)
        openings = np.minimum(np.maximum(np.add.accumulate(way)[1:], -1.0), 1.0)
        gripper.current_action = openings[-1]
        self._finger_commands = self._bias + self._weight * openings
