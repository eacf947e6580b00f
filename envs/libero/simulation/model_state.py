"""A copy of everything in a compiled model that a simulation could write to."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Geometry and pictures: large, and fixed once compiled.
_CONSTANT = ("mesh_", "tex_", "skin_", "hfield_", "flex", "bvh_", "oct_", "name_", "names", "paths", "text_", "tuple_")


class ModelState:
    """The arrays of a `mujoco.MjModel` at one moment, to go back to.

    LIBERO writes fixture poses (`body_pos`, `body_quat`) and site colours. All others are kept as well, so that a
    change upstream cannot leak from one episode into the next.
    """

    def __init__(self, model: Any) -> None:
        """`model`: a `mujoco.MjModel`."""
        self._arrays: list[tuple[NDArray[Any], NDArray[Any]]] = []
        for name in dir(model):
            if name.startswith(("_", *_CONSTANT)):
                continue
            value = getattr(model, name)
            if isinstance(value, np.ndarray) and value.flags.writeable and value.size:
                self._arrays.append((value, value.copy()))

    def restore(self) -> None:
        """Write the copies back."""
        for live, kept in self._arrays:
            np.copyto(live, kept)
