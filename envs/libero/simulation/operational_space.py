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

_POSITION, _ROTATION = slice(0, 3), slice(4, 7)
"""Where the halves of a pose lie in vectors of 8: both begin at a multiple of 16 bytes, as arrays of their own do."""


class OperationalSpace:
    """Torques of one controller object; made anew with it at each reset."""

    def __init__(self, controller: Any) -> None:
        """Allot the arrays. `controller`: robosuite's object, for which `is_plain` holds."""
        from robosuite.utils import control_utils

        self._opspace_matrices = control_utils.opspace_matrices
        self._orientation_error = control_utils.orientation_error
        self._nullspace_torques = control_utils.nullspace_torques

        self._controller, self._sim = controller, controller.sim
        model, data = controller.sim.model._model, controller.sim.data._data
        site = controller.sim.model.site_name2id(controller.eef_name)
        self._model, self._data, self._site = model, data, site
        dofs = as_slice(controller.qvel_index)
        joints = len(controller.qvel_index)
        self._ee_pos = data.site_xpos[site]
        self._ee_ori = data.site_xmat[site].reshape(3, 3)
        self._velocity = data.qvel
        self._joint_pos = data.qpos[as_slice(controller.qpos_index)]
        self._joint_vel, self._gravity = data.qvel[dofs], data.qfrc_bias[dofs]

        self._translation, self._rotation = np.zeros((3, model.nv)), np.zeros((3, model.nv))
        self._inertia = np.zeros((model.nv, model.nv))
        self._sparse_inertia = data.qM if not _TAKES_DATA else None
        self._arm_translation, self._arm_rotation = self._translation[:, dofs], self._rotation[:, dofs]
        self._arm_inertia = self._inertia[dofs, dofs]
        # robosuite selects columns by a list of indexes, which gives Fortran's order.
        self._j_pos, self._j_ori = np.zeros((3, joints), order="F"), np.zeros((3, joints), order="F")
        self._j_full = np.zeros((6, joints), order="F")
        self._mass = np.zeros((joints, joints), order="F")
        self._j_full_transposed = self._j_full.T

        self._kp, self._kd = _in_halves(controller.kp), _in_halves(controller.kd)
        self._error, self._ee_vel = np.zeros(8), np.zeros(8)
        self._force, self._braking = np.zeros(8), np.zeros(8)
        self._wrench, self._torques = np.zeros(6), np.zeros(joints)

    def set_goal(self, delta: NDArray[np.float64]) -> None:
        """Set the pose to reach from where the end effector is now. `delta`: (6,) position and rotation vector."""
        controller = self._controller
        controller.ee_pos, controller.ee_ori_mat = np.array(self._ee_pos), np.array(self._ee_ori)
        controller.new_update = False  # what it needs to know stands in the line above
        controller.set_goal(delta)

    def run_controller(self) -> NDArray[np.float64]:
        """The (joints,) torques in N·m for the state that `data` holds now; the next call overwrites them."""
        self._read()
        controller, error, ee_vel = self._controller, self._error, self._ee_vel
        np.subtract(controller.goal_pos, self._ee_pos, error[_POSITION])
        error[_ROTATION] = self._orientation_error(controller.goal_ori, self._ee_ori)
        self._translation.dot(self._velocity, ee_vel[_POSITION])
        self._rotation.dot(self._velocity, ee_vel[_ROTATION])
        force = np.multiply(error, self._kp, self._force)
        force -= np.multiply(ee_vel, self._kd, self._braking)

        _, lambda_pos, lambda_ori, nullspace = self._opspace_matrices(
            self._mass, self._j_full, self._j_pos, self._j_ori
        )
        wrench = self._wrench
        wrench[:3], wrench[3:] = lambda_pos.dot(force[_POSITION]), lambda_ori.dot(force[_ROTATION])
        torques = self._j_full_transposed.dot(wrench, self._torques)
        torques += self._gravity
        torques += self._nullspace_torques(
            self._mass, nullspace, controller.initial_joint, self._joint_pos, self._joint_vel
        )
        return torques

    def _read(self) -> None:
        """Read the arm's Jacobians and inertia, as the controller's `update`."""
        self._sim.forward()
        model, data = self._model, self._data
        mujoco.mj_jacSite(model, data, self._translation, self._rotation, self._site)
        self._j_pos[...] = self._arm_translation
        self._j_ori[...] = self._arm_rotation
        self._j_full[:3] = self._arm_translation
        self._j_full[3:] = self._arm_rotation
        if _TAKES_DATA:
            mujoco.mj_fullM(model, data, self._inertia)
        else:
            mujoco.mj_fullM(model, self._inertia, self._sparse_inertia)
        self._mass[...] = self._arm_inertia


def is_plain(controller: Any) -> bool:
    """Whether a controller is robosuite's own `OSC_POSE` as LIBERO configures it, and computes what stands here."""
    from robosuite.controllers.osc import OperationalSpaceController

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
    )


def as_slice(indexes: Sequence[int]) -> slice | list[int]:
    """Indexes as a slice, which numpy follows several times as fast, if they lie side by side."""
    first, count = indexes[0], len(indexes)
    return slice(first, first + count) if list(indexes) == list(range(first, first + count)) else list(indexes)


def _in_halves(pose: NDArray[np.float64]) -> NDArray[np.float64]:
    """(6,) gains as (8,), see `_POSITION`."""
    spread = np.zeros(8)
    spread[_POSITION], spread[_ROTATION] = pose[:3], pose[3:]
    return spread
