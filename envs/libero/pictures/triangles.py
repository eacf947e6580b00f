"""Which triangles of a mesh can colour a picture.

LIBERO's objects are scans of 10,000 to 70,000 triangles that fill some hundred pixels: most triangles lie between the
points at which OpenGL asks what is there (the samples, four a pixel), and half are seen from behind. Neither kind
leaves a trace, in any renderer that follows OpenGL; those that may are found here, on the safe side: a sample counts as
touched within `MARGIN` of a triangle, while renderers move corners by 1/512 of a pixel and round by less.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

Compiled = TypeVar("Compiled", bound=Callable[..., Any])
if TYPE_CHECKING:

    def compiled(function: Compiled) -> Compiled:
        """numba's decorator, which has no types."""

else:
    compiled = numba.njit(cache=True, nogil=True)

MARGIN = 1 / 200
"""In pixels: 1/512 for the grid corners are moved to, 1/500 for `DRIFT`, the rest for rounding."""
DRIFT = 1 / 500
"""By how much, in pixels, a mesh may move before its triangles must be chosen anew."""

_LARGE = 4.0  # pixels: larger triangles are not tried against single samples
_CUT = 1e-4  # metres on either side of a mirror's surface that count as cut by it
_CLOSE = 0.1  # metres: triangles as close are drawn, whatever they touch; the closer, the more rounding moves them


@compiled
def places_of(
    vertices: NDArray[np.float32], to_image: NDArray[np.float64], surface: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(V, 4) of (V, 3) vertices: x and y in pixels (0 behind the camera), depth, height above the surface in metres."""
    places = np.zeros((len(vertices), 4))
    for i in range(len(vertices)):
        x, y, z = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        depth = to_image[2, 0] * x + to_image[2, 1] * y + to_image[2, 2] * z + to_image[2, 3]
        places[i, 2] = depth
        places[i, 3] = surface[0] * x + surface[1] * y + surface[2] * z - surface[3]
        if depth > 0:
            scale = 1 / depth
            places[i, 0] = (to_image[0, 0] * x + to_image[0, 1] * y + to_image[0, 2] * z + to_image[0, 3]) * scale
            places[i, 1] = (to_image[1, 0] * x + to_image[1, 1] * y + to_image[1, 2] * z + to_image[1, 3]) * scale
    return places


@compiled
def edge(ax: float, ay: float, bx: float, by: float, x: float, y: float) -> bool:
    """Whether a point lies to the left of the edge from a to b, or within the margin."""
    dx, dy = bx - ax, by - ay
    return bool(dx * (y - ay) - dy * (x - ax) >= -MARGIN * (abs(dx) + abs(dy)))


@compiled
def _touches_sample(
    ax: float, ay: float, bx: float, by: float, cx: float, cy: float, sure: bool, samples: NDArray[np.float64]
) -> bool:
    """Whether a triangle, which runs counter-clockwise or, if that is not `sure`, clockwise, comes near a sample."""
    left, right = min(ax, bx, cx) - MARGIN, max(ax, bx, cx) + MARGIN
    low, high = min(ay, by, cy) - MARGIN, max(ay, by, cy) + MARGIN
    for column in range(int(np.floor(left)), int(np.floor(right)) + 1):
        for row in range(int(np.floor(low)), int(np.floor(high)) + 1):
            for k in range(len(samples)):
                x, y = column + samples[k, 0], row + samples[k, 1]
                if x < left or x > right or y < low or y > high:
                    continue
                if edge(ax, ay, bx, by, x, y) and edge(bx, by, cx, cy, x, y) and edge(cx, cy, ax, ay, x, y):
                    return True
                if sure:
                    continue
                if edge(bx, by, ax, ay, x, y) and edge(cx, cy, bx, by, x, y) and edge(ax, ay, cx, cy, x, y):
                    return True
    return False


@compiled
def touching(
    vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    to_image: NDArray[np.float64],
    near: float,
    front: float,
    window: NDArray[np.float64],
    samples: NDArray[np.float64],
    surface: NDArray[np.float64],
) -> NDArray[np.int32]:
    """The numbers of the triangles that can leave a trace, in their order.

    Args:
        vertices: (V, 3) corners in the mesh's frame.
        faces: (F, 3) three vertices each.
        to_image: (3, 4) from the mesh's frame to x·depth, y·depth (in pixels, from the lower left) and depth (metres).
        near: depth at which the camera's view begins.
        front: 1 if triangles seen counter-clockwise are seen from the front; -1 in a mirror.
        window: (4,) least x and y, greatest x and y of what is looked at, in pixels.
        samples: (S, 2) where the samples of a pixel are, in pixels.
        surface: (4,) n and d of a plane n·p = d in the mesh's frame: what is below is cut off. Zeros: no plane.
    """
    places = places_of(vertices, to_image, surface)
    cut = surface[0] != 0 or surface[1] != 0 or surface[2] != 0
    close = max(1.05 * near, _CLOSE)
    found = np.empty(len(faces), dtype=np.int32)
    number = 0
    for face in range(len(faces)):
        i, j, k = faces[face, 0], faces[face, 1], faces[face, 2]
        az, bz, cz = places[i, 2], places[j, 2], places[k, 2]
        if max(az, bz, cz) < 0.95 * near:
            continue
        untouched = True  # by the sides of the window and the surface, which would cut pieces off
        if cut:
            above = max(places[i, 3], places[j, 3], places[k, 3])
            if above < -_CUT:
                continue
            untouched = min(places[i, 3], places[j, 3], places[k, 3]) > _CUT
        if min(az, bz, cz) >= close:
            ax, ay, bx, by, cx, cy = places[i, 0], places[i, 1], places[j, 0], places[j, 1], places[k, 0], places[k, 1]
            left, right, low, high = min(ax, bx, cx), max(ax, bx, cx), min(ay, by, cy), max(ay, by, cy)
            if left > window[2] + 1 or right < window[0] - 1 or low > window[3] + 1 or high < window[1] - 1:
                continue
            untouched &= left > window[0] + 1 and right < window[2] - 1 and low > window[1] + 1 and high < window[3] - 1
            size = (right - left) + (high - low)
            area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
            sure = abs(area) > 2 * MARGIN * size  # which side is seen does not depend on rounding
            if sure and untouched and area * front < 0:
                continue
            if area < 0:
                bx, by, cx, cy = cx, cy, bx, by
            if size < _LARGE and not _touches_sample(ax, ay, bx, by, cx, cy, sure, samples):
                continue
        found[number] = face
        number += 1
    return found[:number]


@compiled
def interleaved(
    chosen: NDArray[np.int32],
    vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    normals: NDArray[np.float32],
    normal_of: NDArray[np.int32],
    textures: NDArray[np.float32],
    texture_of: NDArray[np.int32],
) -> NDArray[np.float32]:
    """(3 K, 8) texture coordinates, normal and position of the corners of K faces; (3 K, 6) without textures."""
    textured = len(textures) > 0
    first = 2 if textured else 0
    corners = np.empty((3 * len(chosen), first + 6), dtype=np.float32)
    for place in range(len(chosen)):
        for side in range(3):
            row = 3 * place + side
            face = chosen[place]
            if textured:
                texture = texture_of[face, side]
                corners[row, 0], corners[row, 1] = textures[texture, 0], textures[texture, 1]
            normal, vertex = normal_of[face, side], faces[face, side]
            for axis in range(3):
                corners[row, first + axis] = normals[normal, axis]
                corners[row, first + 3 + axis] = vertices[vertex, axis]
    return corners
