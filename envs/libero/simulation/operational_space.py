"""robosuite's operational-space controller (`OSC_POSE`) without its detours: the same torques to the last bit.

robosuite runs it 25 times a control step. Around a handful of small products and inverses, it looks names up, computes
each Jacobian twice, copies every array and keeps what LIBERO never reads. Here the arrays are made once and filled in
place. The products and inverses are the ones of robosuite and numpy, called on arrays of the same values *and the same
memory layouts*: BLAS takes another path for another layout, which shows in the last bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

# From 3.4 on `mj_fullM` takes the data instead of its sparse matrix.
_TAKES_DATA = tuple(int(part) for part in mujoco.__version__.split(".")[:2]) >= (3, 4)


class OperationalSpace:
    """Goals and torques of one controller object; made anew with it at each reset."""

    def __init__(self, controller: Any) -> None:
        """Allot the arrays. `controller`: robosuite's object, for which `is_plain` holds."""
        from mmact_eval.envs.libero.simulation.osc_kernel import kernel

        self._kernel = kernel()
        self._controller, self._sim = controller, controller.sim
        model, data = controller.sim.model._model, controller.sim.data._data
        site = controller.sim.model.site_name2id(controller.eef_name)
        self._model, self._data, self._site = model, data, site
        dofs, joints = as_slice(controller.qvel_index), len(controller.qvel_index)
        self._dof = controller.qvel_index[0]
        self._ee_pos, self._ee_ori = data.site_xpos[site], data.site_xmat[site].reshape(3, 3)
        self._joint_pos = data.qpos[as_slice(controller.qpos_index)]
        self._velocity, self._joint_vel = data.qvel, data.qvel[dofs]
        self._gravity = data.qfrc_bias[dofs]
        self._kp, self._kd = np.array(controller.kp, np.float64), np.array(controller.kd, np.float64)

        self._translation, self._rotation = np.zeros((3, model.nv)), np.zeros((3, model.nv))
        self._inertia = np.zeros((model.nv, model.nv))
        self._sparse_inertia = data.qM if not _TAKES_DATA else None
        self._j_full = np.zeros((6, joints), order="F")
        self._j_full_transposed = self._j_full.T
        self._vel_pos, self._vel_ori = np.zeros(3), np.zeros(3)
        self._force, self._torque = np.zeros(3), np.zeros(3)
        self._lambda_pos, self._lambda_ori = np.zeros((3, 3), order="F"), np.zeros((3, 3), order="F")
        self._wrench, self._torques, self._null = np.zeros(6), np.zeros(joints), np.zeros(joints)

    def set_goal(self, delta: NDArray[np.float64]) -> None:
        """Set the pose to reach from where the end effector is now. `delta`: (6,) position and rotation vector."""
        controller = self._controller
        controller.ee_pos, controller.ee_ori_mat = np.array(self._ee_pos), np.array(self._ee_ori)
        controller.new_update = False  # what it needs to know stands in the line above
        controller.set_goal(delta)

    def run_controller(self) -> NDArray[np.float64]:
        """The (n,) torques in N·m for the state that MuJoCo's data holds now; the next call overwrites them."""
        self._sim.forward()  # as the controller's `update` does
        model, data, controller = self._model, self._data, self._controller
        mujoco.mj_jacSite(model, data, self._translation, self._rotation, self._site)
        if _TAKES_DATA:
            mujoco.mj_fullM(model, data, self._inertia)
        else:
            mujoco.mj_fullM(model, self._inertia, self._sparse_inertia)
        self._translation.dot(self._velocity, self._vel_pos)
        self._rotation.dot(self._velocity, self._vel_ori)
        self._kernel(
            *(self._translation, self._rotation, self._inertia, self._dof, self._j_full),
            *(controller.goal_pos, self._ee_pos, controller.goal_ori, self._ee_ori, self._vel_pos, self._vel_ori),
            *(self._kp, self._kd, controller.initial_joint, self._joint_pos, self._joint_vel),
            *(self._force, self._torque, self._lambda_pos, self._lambda_ori, self._null),
        )
        wrench = self._wrench
        wrench[:3], wrench[3:] = self._lambda_pos.dot(self._force), self._lambda_ori.dot(self._torque)
        torques = self._j_full_transposed.dot(wrench, self._torques)
        torques += self._gravity
        torques += self._null
        return torques


def is_plain(controller: Any) -> bool:
    """Whether a controller is robosuite's own `OSC_POSE` as LIBERO configures it, and computes what stands here."""
    from robosuite.controllers.osc import OperationalSpaceController
    from robosuite.utils import control_utils

    return (
        type(controller) is OperationalSpaceController
        and controller.impedance_mode == "fixed"
        and controller.use_ori
        and controller.use_delta
        and controller.uncoupling
        and controller.interpolator_pos is None
        and controller.interpolator_ori is None
        and isinstance(as_slice(controller.qpos_index), slice)
        and isinstance(as_slice(controller.qvel_index), slice)
        # robosuite can be told not to compile.
        and hasattr(control_utils.opspace_matrices, "py_func")
    )


def as_slice(indexes: Sequence[int]) -> slice | list[int]:
    """Indexes as a slice, which numpy follows several times as fast, if they lie side by side."""
    first, count = indexes[0], len(indexes)
    return slice(first, first + count) if list(indexes) == list(range(first, first + count)) else list(indexes)
