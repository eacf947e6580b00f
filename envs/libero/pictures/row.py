"""What of each mesh is drawn for one camera, outside of the mirror or in it, kept as long as little moves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmact_eval.envs.libero.pictures.lists import Lists
from mmact_eval.envs.libero.pictures.meshes import Meshes
from mmact_eval.envs.libero.pictures.regions import Array, Image, Mirror, Region
from mmact_eval.envs.libero.pictures.triangles import DRIFT, touching

_MOST = 0.3  # the share of a mesh's triangles from which on the mesh is drawn as a whole
_HEIGHT_DRIFT = 5e-5  # metres: half of what `touching` allows above a surface

NOTHING = -1
"""The `dataid` of a geom of which nothing is drawn."""


@dataclass(frozen=True)
class Sight:
    """What is looked at.

    Attributes:
        to_image: (3, 4) as `Image.to_image`.
        near: as `Image.near`.
        front: 1, or -1 in a mirror: the side from which a triangle's corners run counter-clockwise.
        window: (4,) the part of the image, in pixels.
        region: where it lies in the world.
        surface: (4,) n and d of the mirror, n·p = d; zeros outside of it.
    """

    to_image: Array
    near: float
    front: float
    window: Array
    region: Region
    surface: Array

    @classmethod
    def direct(cls, image: Image) -> Sight:
        """What is seen outside of any mirror."""
        return cls(image.to_image, image.near, 1.0, image.window(), image.region, np.zeros(4))

    @classmethod
    def mirrored(cls, image: Image, mirror: Mirror) -> Sight:
        """What is seen in a mirror, which is in the image."""
        surface = np.append(mirror.normal, mirror.normal @ mirror.middle)
        seen = mirror.mirrored(image.to_image)
        return cls(seen, image.near, -1.0, mirror.window(image), mirror.shows(image.eye), surface)


class Row:
    """The lists of all meshes for one camera and size of picture, outside of the mirror or in it.

    Attributes:
        first: the `dataid` of the first list; the mesh at place i has list ``first + i``.
        dataids: (M,) what draws each mesh by itself: the list, the whole mesh or `NOTHING`.
    """

    def __init__(self, lists: Lists, meshes: Meshes) -> None:
        self._lists = lists
        self._meshes = meshes
        self.first = lists.row()
        count = len(meshes.geoms)
        self.dataids = np.full(count, NOTHING)
        self._chosen_at = np.full((count, 3, 4), np.nan)
        self._surfaces_at = np.zeros((count, 4))
        self._window = np.full(4, np.nan)

    def choose(self, sight: Sight, poses: Array, whole: NDArray[np.intp]) -> None:
        """Make the lists right for what is looked at.

        Args:
            sight: what is looked at.
            poses: (M, 4, 4) where the meshes are.
            whole: (M,) the `dataid` that draws a mesh as a whole; `NOTHING` if it is not in the scene.
        """
        if not np.allclose(self._window, sight.window, rtol=0, atol=0.01):
            self._window = sight.window
            self._chosen_at[:] = np.nan
        to_images = sight.to_image @ poses
        surfaces = np.zeros((len(poses), 4))
        surfaces[:, :3] = np.einsum("i,mij->mj", sight.surface[:3], poses[:, :3, :3])
        surfaces[:, 3] = sight.surface[3] - poses[:, :3, 3] @ sight.surface[:3]
        moved = self._moved(to_images, surfaces, sight)
        missed = sight.region.misses(self._meshes.boxes(poses))
        for place in np.flatnonzero(whole != NOTHING):
            if missed[place]:
                self._set(place, NOTHING)
            elif self._meshes.meshes[place] is None:
                self._set(place, int(whole[place]))
            elif moved[place]:
                self._choose_faces(place, sight, to_images[place], surfaces[place], int(whole[place]))
                self._chosen_at[place], self._surfaces_at[place] = to_images[place], surfaces[place]

    def _moved(self, to_images: Array, surfaces: Array, sight: Sight) -> NDArray[np.bool_]:
        """(M,) which meshes may have moved so far in the image that their triangles must be chosen anew."""
        corners = np.concatenate([self._meshes.corners, np.ones((*self._meshes.corners.shape[:2], 1))], axis=-1)
        change = np.abs(corners @ (to_images - self._chosen_at).transpose(0, 2, 1)).max(axis=1)
        depth = (corners @ to_images[:, 2, :, None]).min(axis=(1, 2))
        # Of a quotient u/depth: at most (|du| + |u/depth| |d depth|) / least depth.
        furthest = sight.window.max()
        pixels = change[:, :2].max(axis=1) + furthest * change[:, 2]
        heights = np.abs(corners @ ((surfaces - self._surfaces_at) * (1, 1, 1, -1))[:, :, None]).max(axis=(1, 2))
        still = (depth > 0) & (pixels < DRIFT * (depth - change[:, 2])) & (heights < _HEIGHT_DRIFT)
        return np.asarray(~still)

    def _choose_faces(self, place: int, sight: Sight, to_image: Array, surface: Array, whole: int) -> None:
        mesh = self._meshes.meshes[place]
        assert mesh is not None
        faces = touching(
            mesh.vertices,
            mesh.faces,
            np.ascontiguousarray(to_image),
            sight.near,
            sight.front,
            sight.window,
            self._lists.samples,
            surface,
        )
        if len(faces) == 0:
            self._set(place, NOTHING)
        elif len(faces) > _MOST * len(mesh.faces):
            self._set(place, whole)
        else:
            self._lists.faces(self.first + place, mesh, faces)
            self.dataids[place] = self.first + place

    def _set(self, place: int, dataid: int) -> None:
        """Draw something ready-made."""
        if self.dataids[place] == dataid:
            return
        self.dataids[place] = dataid
        self._chosen_at[place] = np.nan
        if dataid == NOTHING:
            self._lists.nothing(self.first + place)
        else:
            self._lists.whole(self.first + place, dataid)
