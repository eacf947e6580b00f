"""Makes MuJoCo's OpenGL context of a model with what is seen of it, each picture uploaded once.

A LIBERO scene has the same picture as a texture several times (two bowls, a table and its legs), and pictures of things
that its arena file names and the scene has not (a table in the living room: 128 MiB on six sides of a cube). MuJoCo
uploads them all. What is drawn is the same.
"""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from mmact_eval.envs.libero.compiled.textures import Textures


def render_context(model: Any, textures: Textures, font: Any) -> Any:
    """A `mujoco.MjrContext` in the current OpenGL context that draws as one made by its constructor.

    Args:
        model: `mujoco.MjModel`; it is as before afterwards.
        textures: its textures.
        font: a `mujoco.mjtFontScale`.
    """
    width, height = np.array(model.tex_width), np.array(model.tex_height)
    try:
        # The constructor uploads all, so it gets to see single pixels.
        model.tex_width[:] = model.tex_height[:] = 1
        context = mujoco.MjrContext(model, font)
    finally:
        model.tex_width[:], model.tex_height[:] = width, height
    firsts, seen = textures.firsts(), _seen(model)
    for number in sorted({firsts[number] for number in seen}):
        with textures.in_memory(number):
            mujoco.mjr_uploadTexture(model, context, number)
    for number in seen:
        context.texture[number] = context.texture[firsts[number]]  # OpenGL's name of it
    return context


def _seen(model: Any) -> list[int]:
    """The textures of the sky and of the materials that something has, drawn or hidden."""
    materials = {int(number) for name in dir(model) if name.endswith("_matid") for number in getattr(model, name)}
    worn = np.unique(model.mat_texid[sorted(materials - {-1})])
    skies = np.flatnonzero(model.tex_type == int(mujoco.mjtTexture.mjTEXTURE_SKYBOX))
    return sorted({int(number) for number in (*worn, *skies) if number >= 0})
