"""A mesh's triangles as MuJoCo gives them to OpenGL."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmact_eval.envs.libero.pictures.triangles import interleaved

Floats = NDArray[np.float32]


class Mesh:
    """Three corners a face, each with its own normal and, where the mesh has them, texture coordinates.

    Attributes:
        vertices: (V, 3) float32 positions.
        faces: (F, 3) three vertices each.
    """

    def __init__(self, model: Any, number: int) -> None:
        """`model`: a `mujoco.MjModel`; `number`: of a mesh that `can_be_taken_apart`."""

        def part(array: NDArray[Any], first: NDArray[Any], count: NDArray[Any]) -> NDArray[Any]:
            return array[int(first[number]) : int(first[number]) + int(count[number])]

        span = model.mesh_faceadr, model.mesh_facenum
        self.vertices: Floats = part(model.mesh_vert, model.mesh_vertadr, model.mesh_vertnum)
        self.faces: NDArray[np.int32] = part(model.mesh_face, *span)
        self._normals: Floats = part(model.mesh_normal, model.mesh_normaladr, model.mesh_normalnum)
        self._normal_of: NDArray[np.int32] = part(model.mesh_facenormal, *span)
        self._textures: Floats = np.zeros((0, 2), dtype=np.float32)
        self._texture_of: NDArray[np.int32] = np.zeros((0, 3), dtype=np.int32)
        if model.mesh_texcoordadr[number] >= 0:
            self._textures = part(model.mesh_texcoord, model.mesh_texcoordadr, model.mesh_texcoordnum)
            self._texture_of = part(model.mesh_facetexcoord, *span)
        else:
            corners = _without_rounding_edges(self._normals[self._normal_of], self.vertices[self.faces])
            self._normals = np.ascontiguousarray(corners.reshape(-1, 3))
            self._normal_of = np.arange(len(self._normals), dtype=np.int32).reshape(-1, 3)

    @property
    def textured(self) -> bool:
        """Whether corners have texture coordinates."""
        return len(self._textures) > 0

    def interleaved(self, faces: NDArray[np.int32]) -> Floats:
        """(3 K, 8) corners of K faces in OpenGL's format T2F_N3F_V3F; (3 K, 6), N3F_V3F, if not `textured`."""
        return interleaved(
            faces, self.vertices, self.faces, self._normals, self._normal_of, self._textures, self._texture_of
        )


def can_be_taken_apart(model: Any, number: int) -> bool:
    """Whether `Mesh` can be relied on to have the very numbers that MuJoCo uploads.

    Meshes without textures get normals that MuJoCo computes while uploading. On x86 its builds round after each
    operation, as numpy does; elsewhere compilers may join multiplications with additions.
    """
    return bool(model.mesh_texcoordadr[number] >= 0) or platform.machine() in ("x86_64", "AMD64")


def _without_rounding_edges(normals: Floats, corners: Floats) -> Floats:
    """A face's own normal where a corner's deviates from it, as `mjr_uploadMesh` has it: (F, 3, 3)."""
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    own = np.stack([a[:, i] * b[:, j] - a[:, j] * b[:, i] for i, j in ((1, 2), (2, 0), (0, 1))], axis=-1)
    length = np.sqrt(own[:, 0] * own[:, 0] + own[:, 1] * own[:, 1] + own[:, 2] * own[:, 2])
    point = length < np.float32(1e-10)
    own *= (np.float32(1) / np.where(point, np.float32(1), length))[:, None]
    own[point] = (0, 0, 1)
    along = normals[..., 0] * own[:, None, 0] + normals[..., 1] * own[:, None, 1] + normals[..., 2] * own[:, None, 2]
    return np.where((along.astype(np.float64) < 0.8)[..., None], own[:, None], normals)
