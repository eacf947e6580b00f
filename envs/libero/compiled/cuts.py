"""Where a model holds what several tasks share: its textures, and what it knows of each mesh.

Of the 270 MiB of a LIBERO scene all but a few are pictures and meshes, and the scenes of a benchmark have most of them
in common. So they are kept once each, whatever models they are in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SMALLEST = 16384
"""Bytes from which a part is worth a file of its own."""

# Arrays of a mesh: where its rows begin, how many there are, and in which arrays. Those that some MuJoCo lacks are left
# out, and what no line names stays in the model's own file.
_OF_A_MESH = (
    ("mesh_vertadr", "mesh_vertnum", ("mesh_vert",)),
    ("mesh_normaladr", "mesh_normalnum", ("mesh_normal",)),
    ("mesh_texcoordadr", "mesh_texcoordnum", ("mesh_texcoord",)),
    ("mesh_faceadr", "mesh_facenum", ("mesh_face", "mesh_facenormal", "mesh_facetexcoord")),
    ("mesh_polyadr", "mesh_polynum", ("mesh_polynormal", "mesh_polyvertadr", "mesh_polyvertnum")),
    ("mesh_vertadr", "mesh_vertnum", ("mesh_polymapadr", "mesh_polymapnum")),
    ("mesh_bvhadr", "mesh_bvhnum", ("bvh_aabb", "bvh_child", "bvh_depth", "bvh_nodeid")),
)


@dataclass(frozen=True)
class Cut:
    """Rows ``start`` to ``stop`` of one of a model's arrays."""

    array: str
    start: int
    stop: int

    def bytes_of(self, model: Any) -> NDArray[np.uint8]:
        """The rows as bytes: the model's own memory, not a copy."""
        array = getattr(model, self.array)
        rows: NDArray[np.uint8] = array[self.start : self.stop].reshape(-1).view(np.uint8)
        return rows


Part = tuple[Cut, ...]
"""What is kept in one file: the cuts one after another."""


def textures(model: Any) -> list[Cut]:
    """Where the pixels of each texture are, in the order of their numbers."""
    sizes = model.tex_height.astype(np.int64) * model.tex_width * model.tex_nchannel
    return [Cut("tex_data", int(start), int(start + size)) for start, size in zip(model.tex_adr, sizes, strict=True)]


def meshes(model: Any) -> list[Part]:
    """What is worth a file of its own of each mesh; small ones are left out."""
    parts = []
    for mesh in range(model.nmesh):
        part = tuple(
            Cut(array, int(getattr(model, first)[mesh]), int(getattr(model, first)[mesh] + getattr(model, count)[mesh]))
            for first, count, arrays in _OF_A_MESH
            if hasattr(model, first) and getattr(model, first)[mesh] >= 0 and getattr(model, count)[mesh] > 0
            for array in arrays
            if hasattr(model, array)
        )
        if sum(cut.bytes_of(model).size for cut in part) >= _SMALLEST:
            parts.append(part)
    return parts
