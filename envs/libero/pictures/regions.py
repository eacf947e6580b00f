"""What a camera, and a mirror, look into: convex regions, and which bounding boxes lie wholly outside.

Positions are metres in the world frame. Everything errs on the side of "may be seen".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_SLACK = 1e-4, 0.001
"""How far outside a box must lie: metres, and metres for each metre of distance (a pixel at 256×256 is 0.003 wide)."""


@dataclass(frozen=True)
class Region:
    """A convex part of space.

    Attributes:
        eye: (3,) from where it is looked into: what is far away gets more slack.
        normals, offsets: (K, 3) unit vectors and (K,): a point p is inside if ``normals @ p >= offsets``.
    """

    eye: Array
    normals: Array
    offsets: Array

    def misses(self, corners: Array) -> NDArray[np.bool_]:
        """(M,) which of the boxes with corners (M, 8, 3) lie wholly outside."""
        slack = _SLACK[0] + _SLACK[1] * np.linalg.norm(corners - self.eye, axis=-1, keepdims=True)
        beyond = corners @ self.normals.T < self.offsets - slack
        found: NDArray[np.bool_] = beyond.all(axis=1).any(axis=1)
        return found


@dataclass(frozen=True)
class Image:
    """A camera's picture of the world.

    Attributes:
        eye: (3,) the camera.
        width, height: in pixels.
        near: the depth, in metres, at which the view begins.
        to_image: (3, 4) from a point, with a 1 appended, to x·depth, y·depth and depth; x and y are pixels from the
            lower left corner.
        region: what is seen, without an end.
    """

    eye: Array
    width: int
    height: int
    near: float
    to_image: Array
    region: Region

    @classmethod
    def of(cls, camera: Any, width: int, height: int) -> Image:
        """`camera`: a `mujoco.MjvGLCamera` with perspective."""
        eye, forward, up = (np.array(part, dtype=np.float64) for part in (camera.pos, camera.forward, camera.up))
        right = np.cross(forward, up)
        near, bottom, top = (float(getattr(camera, f"frustum_{side}")) for side in ("near", "bottom", "top"))
        half = float(camera.frustum_width) or 0.5 * (width / height) * (top - bottom)
        left = float(camera.frustum_center) - half
        rows = np.array(
            [
                width / (2 * half) * (near * right - left * forward),
                height / (top - bottom) * (near * up - bottom * forward),
                forward,
            ]
        )
        to_image = np.hstack([rows, -(rows @ eye)[:, None]])
        sides = np.array([rows[2], rows[0], width * rows[2] - rows[0], rows[1], height * rows[2] - rows[1]])
        normals = sides / np.linalg.norm(sides, axis=1, keepdims=True)
        offsets = normals @ eye
        offsets[0] += near
        return cls(eye, width, height, near, to_image, Region(eye, normals, offsets))

    def window(self) -> Array:
        """(4,) least x and y, greatest x and y of its pixels."""
        return np.array([0.0, 0.0, self.width, self.height])


@dataclass(frozen=True)
class Mirror:
    """A reflecting rectangle.

    Attributes:
        middle: (3,) its middle.
        sides: (2, 3) from the middle to the middles of two neighbouring edges.
        normal: (3,) unit vector to the side that reflects.
    """

    middle: Array
    sides: Array
    normal: Array

    @classmethod
    def on_box(cls, geom: Any) -> Mirror:
        """The side of a box, a `mujoco.MjvGeom`, on which MuJoCo draws reflections: +z."""
        axes = np.array(geom.mat, dtype=np.float64).reshape(3, 3).T
        size = np.array(geom.size, dtype=np.float64)
        middle = np.array(geom.pos, dtype=np.float64) + size[2] * axes[2]
        return cls(middle, size[:2, None] * axes[:2], axes[2])

    def corners(self) -> Array:
        """(4, 3), one after the other around the rectangle."""
        around: Array = self.middle + np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) @ self.sides
        return around

    def height(self, eye: Array) -> float:
        """How far in front of it a point is, in metres; negative: behind."""
        return float((eye - self.middle) @ self.normal)

    def mirrored(self, to_image: Array) -> Array:
        """(3, 4) as `Image.to_image`, of what is seen in the mirror."""
        normal = self.normal
        reflect = np.eye(4)
        reflect[:3, :3] -= 2 * np.outer(normal, normal)
        reflect[:3, 3] = 2 * (self.middle @ normal) * normal
        turned: Array = to_image @ reflect
        return turned

    def shows(self, eye: Array) -> Region:
        """What can be seen in it from `eye`, which is in front of it: a pyramid from the mirrored eye."""
        mirrored = eye - 2 * self.height(eye) * self.normal
        corners = self.corners()
        normals = np.cross(corners - mirrored, np.roll(corners, -1, axis=0) - mirrored)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        normals *= np.sign(normals @ (self.middle - mirrored))[:, None]
        offsets = np.append(normals @ mirrored, self.normal @ self.middle)
        return Region(mirrored, np.vstack([normals, self.normal]), offsets)

    def window(self, image: Image) -> Array:
        """(4,) least x and y, greatest x and y of the pixels in which it lies; all if it reaches behind the camera."""
        x, y, depth = image.to_image @ np.vstack([self.corners().T, np.ones(4)])
        if depth.min() < 2 * image.near:
            return image.window()
        least, greatest = [(x / depth).min(), (y / depth).min()], [(x / depth).max(), (y / depth).max()]
        whole = image.window()
        return np.concatenate([np.maximum(whole[:2], least), np.minimum(whole[2:], greatest)])
