"""The rotation format that LIBERO's policies read."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def axis_angle(quat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotation axis times angle (rad) of a quaternion xyzw, with the arithmetic of robosuite's `quat2axisangle`.

    It is what policies for LIBERO were trained on: the angle runs from 0 to 2π, and −q gives another vector than q.
    """
    w = min(1.0, max(-1.0, float(quat[3])))
    sine = np.sqrt(1.0 - w * w)
    if math.isclose(sine, 0.0):
        return np.zeros(3)
    vector: NDArray[np.float64] = (quat[:3] * 2.0 * math.acos(w)) / sine
    return vector
