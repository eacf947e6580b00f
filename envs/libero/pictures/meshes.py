"""The meshes of a model: where they are, how large, and what they consist of."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from mmact_eval.envs.libero.pictures.mesh import Mesh, can_be_taken_apart
from mmact_eval.envs.libero.pictures.regions import Array

_FEW = 200  # triangles that are not worth choosing from


class Meshes:
    """Those geoms of a model that are meshes.

    Attributes:
        geoms: (M,) their numbers in the model.
        place: from such a number to its place among them.
        corners: (M, 8, 3) corners of their bounding boxes in their own frames.
        meshes: what each consists of; None: it is drawn as a whole or not at all.
    """

    def __init__(self, model: Any) -> None:
        """`model`: a `mujoco.MjModel`."""
        self.geoms = np.flatnonzero(np.asarray(model.geom_type) == int(mujoco.mjtGeom.mjGEOM_MESH))
        self.place = {int(geom): place for place, geom in enumerate(self.geoms)}
        numbers = [int(model.geom_dataid[geom]) for geom in self.geoms]
        self.corners = np.array([_box(model, number) for number in numbers]).reshape(-1, 8, 3)
        known: dict[int, Mesh | None] = {}
        for number in set(numbers):
            worth = model.mesh_facenum[number] >= _FEW and can_be_taken_apart(model, number)
            known[number] = Mesh(model, number) if worth else None
        self.meshes = [known[number] for number in numbers]

    def poses(self, data: Any) -> Array:
        """(M, 4, 4) from each mesh's frame to the world's, in a `mujoco.MjData`."""
        poses = np.zeros((len(self.geoms), 4, 4))
        poses[:, :3, :3] = data.geom_xmat[self.geoms].reshape(-1, 3, 3)
        poses[:, :3, 3] = data.geom_xpos[self.geoms]
        poses[:, 3, 3] = 1
        return poses

    def boxes(self, poses: Array) -> Array:
        """(M, 8, 3) corners of the bounding boxes in the world."""
        placed: Array = self.corners @ poses[:, :3, :3].transpose(0, 2, 1) + poses[:, None, :3, 3]
        return placed


def _box(model: Any, mesh: int) -> Array:
    start, count = int(model.mesh_vertadr[mesh]), int(model.mesh_vertnum[mesh])
    vertices = np.asarray(model.mesh_vert[start : start + count], dtype=np.float64)
    ends = np.stack([vertices.min(axis=0), vertices.max(axis=0)])
    return np.array([[ends[i, 0], ends[j, 1], ends[k, 2]] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
