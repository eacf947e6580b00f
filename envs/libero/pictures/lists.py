"""OpenGL display lists with which one and the same scene is drawn differently in a mirror.

`mjr_render` draws one list of geoms twice where a scene has a mirror: first mirrored, then as it is. A mesh is an
OpenGL display list, and the geom says which. OpenGL finds lists that another list calls by `glCallLists` counting from
a base, which can be moved in between: so a geom is given a list that calls number i from the base, and what is to be
seen of the mesh in the mirror and outside of it are numbers i of two rows of lists.

The base is at the mirror's row when `mjr_render` is called. What moves it on is a geom without a shape: it is marked as
transparent, and those are drawn last in the mirror, before anything outside of it.
"""

from __future__ import annotations

import ctypes
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray
from OpenGL import GL
from OpenGL.raw.GL.VERSION.GL_1_1 import glInterleavedArrays

from mmact_eval.envs.libero.pictures.mesh import Mesh


class Lists:
    """The display lists of one OpenGL context, which is current whenever this is used.

    What stands for a list is the `dataid` of a geom with that list.

    Attributes:
        samples: (S, 2) where in a pixel, from its lower left corner, OpenGL looks at what is there.
    """

    def __init__(self, context: Any, length: int) -> None:
        """`context`: a `mujoco.MjrContext`; `length`: how many meshes a row has."""
        self._zero = int(context.baseMesh)
        self._length = length
        self.samples = _samples()
        self._calls = self._new(length + 1)
        self._move = self._calls + length
        for place in range(length):
            called = np.array([place], dtype=np.uint32)
            GL.glNewList(self._calls + place, GL.GL_COMPILE)
            GL.glCallLists(called)
            GL.glEndList()

    def _new(self, count: int) -> int:
        return int(GL.glGenLists(count))

    def row(self) -> int:
        """A new row of empty lists: the first of them."""
        return self._new(self._length) - self._zero

    def whole(self, number: int, dataid: int) -> None:
        """Make list `number` draw what `dataid` draws."""
        GL.glNewList(number + self._zero, GL.GL_COMPILE)
        GL.glCallList(dataid + self._zero)
        GL.glEndList()

    def nothing(self, number: int) -> None:
        """Make list `number` empty."""
        GL.glNewList(number + self._zero, GL.GL_COMPILE)
        GL.glEndList()

    def faces(self, number: int, mesh: Mesh, faces: NDArray[np.int32]) -> None:
        """Make list `number` draw some faces of a mesh: (K,) their numbers."""
        corners = mesh.interleaved(faces)
        parts = GL.GL_T2F_N3F_V3F if mesh.textured else GL.GL_N3F_V3F
        # PyOpenGL's wrapper would keep the array, and one for each context there ever was.
        glInterleavedArrays(parts, 0, ctypes.c_void_p(corners.ctypes.data))
        GL.glNewList(number + self._zero, GL.GL_COMPILE)
        GL.glDrawArrays(GL.GL_TRIANGLES, 0, len(corners))
        GL.glEndList()
        for array in (GL.GL_VERTEX_ARRAY, GL.GL_NORMAL_ARRAY, GL.GL_TEXTURE_COORD_ARRAY):
            GL.glDisableClientState(array)

    def from_base(self, place: int) -> int:
        """What calls the list at a place of the row at which the base is."""
        return self._calls + place - self._zero

    def begin(self, mirrored: int, seen: int, separator: Any) -> None:
        """Before `mjr_render`: draw from one row in the mirror and from another outside.

        Args:
            mirrored, seen: the rows.
            separator: a `mujoco.MjvGeom` that is added to the scene.
        """
        GL.glNewList(self._move, GL.GL_COMPILE)
        GL.glListBase(seen + self._zero)
        GL.glEndList()
        half_transparent = np.array([0, 0, 0, 0.5], dtype=np.float32)
        shape, turned = int(mujoco.mjtGeom.mjGEOM_MESH), np.eye(3).ravel()
        mujoco.mjv_initGeom(separator, shape, np.zeros(3), np.zeros(3), turned, half_transparent)
        separator.dataid = self._move - self._zero
        GL.glListBase(mirrored + self._zero)

    def end(self) -> None:
        """After `mjr_render`."""
        GL.glListBase(0)


def _samples() -> NDArray[np.float64]:
    count = int(GL.glGetIntegerv(GL.GL_SAMPLES))
    places = [list(GL.glGetMultisamplefv(GL.GL_SAMPLE_POSITION, number)) for number in range(count)]
    return np.array(places or [[0.5, 0.5]], dtype=np.float64)
