"""A copy of a running simulation's data, cheap enough to be taken at every control step, on any MuJoCo.

`mj_copyData` would do it, but the Python bindings have it from 3.4 on only, and the published numbers were made below.
`copy.copy` makes a new `MjData` each time (1 ms to 5 ms). Here the arrays are copied one by one through views made once
(0.03 ms; `benchmarks/libero/snapshot.py` runs all three).
"""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

_UNSEEN = ("bvh_active",)
"""Marks of the collision search, nine tenths of all bytes; pictures show them in a debugging view only."""


class DataCopy:
    """An `MjData` that can be made equal to another one, in all that pictures and state vectors are computed from.

    Those are the arrays that MuJoCo allots once: positions, velocities, poses of bodies, geoms, sites, cameras, lights.
    What it allots anew at each step (contacts, constraints) is left out: no camera sees it.

    Attributes:
        data: the copy, a `mujoco.MjData` of the same model.
    """

    def __init__(self, model: Any, source: Any) -> None:
        """`model`: a `mujoco.MjModel`; `source`: the `mujoco.MjData` of it that will be copied."""
        self.data: Any = mujoco.MjData(model)
        self._pairs: list[tuple[NDArray[Any], NDArray[Any]]] = []
        for name in dir(self.data):
            if name.startswith("_") or name in _UNSEEN:
                continue
            own = getattr(self.data, name)
            # In fresh data, whatever is allotted at each step is still empty.
            if isinstance(own, np.ndarray) and own.size and own.flags.writeable:
                self._pairs.append((own, getattr(source, name)))

    def take(self) -> None:
        """Make the copy equal to the source as it is now."""
        for own, live in self._pairs:
            np.copyto(own, live)
