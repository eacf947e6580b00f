"""The compiled middle of `operational_space`: robosuite's own compiled functions, called from compiled code.

robosuite compiles its three functions with numba, and most of their time goes into getting their arguments in and their
results out. Here they are called within one compiled function, which writes into arrays made once. The operations and
their order are robosuite's; numba neither reorders nor fuses them. Products that robosuite leaves to numpy stay there:
numpy's BLAS and the one that numba calls may be different builds with different last bits.

Imported after `load_simulator` only, which says where compiled code is kept.
"""

from __future__ import annotations

import functools
import inspect
import zlib
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from robosuite.utils import control_utils
from robosuite.utils.control_utils import nullspace_torques, opspace_matrices, orientation_error


@functools.cache
def kernel() -> Callable[..., None]:
    """The compiled function: 4 s on a machine's first use, then read from numba's cache."""
    # numba looks at this file alone to see whether compiled code is stale; robosuite's functions are within it.
    return _compiled(zlib.crc32(inspect.getsource(control_utils).encode()))


def _compiled(version: int) -> Callable[..., None]:
    def law(
        translation: Any,  # (3, nv) Jacobians of the end effector
        rotation: Any,
        inertia: Any,  # (nv, nv)
        dof: int,  # the arm's first
        j_full: Any,  # written: (6, n), Fortran's order
        goal_pos: Any,
        ee_pos: Any,
        goal_ori: Any,
        ee_ori: Any,
        vel_pos: Any,
        vel_ori: Any,
        kp: Any,
        kd: Any,
        initial: Any,  # (n,) joint positions at the reset
        joint_pos: Any,
        joint_vel: Any,
        force: Any,  # written: (3,) each
        torque: Any,
        lambda_pos: Any,  # written: (3, 3) each, Fortran's order
        lambda_ori: Any,
        null: Any,  # written: (n,)
    ) -> None:
        _ = version  # what a compiled function refers to is part of its key in the cache
        joints = null.shape[0]
        # robosuite selects columns by a list of indexes, which gives Fortran's order; BLAS goes by it.
        mass = np.empty((joints, joints)).T
        j_pos, j_ori = np.empty((joints, 3)).T, np.empty((joints, 3)).T
        for column in range(joints):
            for row in range(3):
                j_pos[row, column] = j_full[row, column] = translation[row, dof + column]
                j_ori[row, column] = j_full[3 + row, column] = rotation[row, dof + column]
            for row in range(joints):
                mass[row, column] = inertia[dof + row, dof + column]
        ori_error = orientation_error(goal_ori, ee_ori)
        for axis in range(3):
            force[axis] = (goal_pos[axis] - ee_pos[axis]) * kp[axis] - vel_pos[axis] * kd[axis]
            torque[axis] = ori_error[axis] * kp[3 + axis] - vel_ori[axis] * kd[3 + axis]
        _, lambda_pos[:], lambda_ori[:], nullspace = opspace_matrices(mass, j_full, j_pos, j_ori)
        null[:] = nullspace_torques(mass, nullspace, initial, joint_pos, joint_vel)

    compiled: Callable[..., None] = numba.njit(cache=True)(law)
    return compiled
