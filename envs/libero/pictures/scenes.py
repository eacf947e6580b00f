"""What in MuJoCo's list of things to draw matters to drawing less."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import mujoco

from mmact_eval.envs.libero.pictures.regions import Image, Mirror

_BOX, _PLANE, _MESH = (int(getattr(mujoco.mjtGeom, f"mjGEOM_{name}")) for name in ("BOX", "PLANE", "MESH"))
_GEOM = int(mujoco.mjtObj.mjOBJ_GEOM)
REFLECTION = int(mujoco.mjtRndFlag.mjRND_REFLECTION)
_SHADOW = int(mujoco.mjtRndFlag.mjRND_SHADOW)
_ON = REFLECTION, int(mujoco.mjtRndFlag.mjRND_CULL_FACE)
_OFF = [int(getattr(mujoco.mjtRndFlag, f"mjRND_{name}")) for name in ("WIREFRAME", "SEGMENT", "IDCOLOR")]

_OPAQUE = 0.995  # MuJoCo's own limit
_GRAZING = 1e-3  # metres: an eye so close to a mirror's plane may be on either side of it, by MuJoCo's rounding
_WIDEST = 512  # pixels: what the margins of `triangles` are made for


def is_plain(scene: Any, width: int, height: int) -> bool:
    """Whether a `mujoco.MjvScene` is drawn in the usual way: in colour, filled, from one eye, without shadows."""
    flags = scene.flags
    shadows = flags[_SHADOW] and any(light.castshadow for light in scene.lights[: scene.nlight])
    return bool(
        all(flags[flag] for flag in _ON)
        and not any(flags[flag] for flag in _OFF)
        and not shadows
        and not scene.stereo
        and not scene.enabletransform
        and not any(camera.orthographic for camera in scene.camera)
        and scene.ngeom < scene.maxgeom
        and max(width, height) <= _WIDEST
    )


def any_mirror(geoms: Iterable[Any], image: Image) -> tuple[Mirror | None, bool]:
    """The mirror that MuJoCo draws, if it may be in the image.

    Args:
        geoms: the scene's, in order: MuJoCo takes the first that reflects.
        image: the picture.

    Returns:
        The mirror, or None; and False if it is of a kind, or looked at in a way, that is better left to MuJoCo.
    """
    for geom in geoms:
        if geom.reflectance > 0 and geom.type in (_BOX, _PLANE) and geom.rgba[3] >= _OPAQUE:
            if geom.type == _PLANE:
                return None, False
            mirror = Mirror.on_box(geom)
            height = mirror.height(image.eye)
            if abs(height) < _GRAZING:
                return None, False
            visible = height > 0 and not image.region.misses(mirror.corners()[None])[0]
            return (mirror if visible else None), True
    return None, True


def opaque_meshes(geoms: Iterable[Any]) -> Iterator[Any]:
    """Those geoms of a scene that are the model's own meshes and hide what is behind them."""
    for geom in geoms:
        if geom.type == _MESH and geom.objtype == _GEOM and geom.rgba[3] >= _OPAQUE:
            yield geom
