"""Makes MuJoCo's OpenGL context of a model with each picture uploaded once.

A LIBERO scene has the same picture as a texture several times (two bowls, a table and its legs), and MuJoCo would
upload each: 85 MiB for a bowl's, with its smaller copies. What is drawn is the same.
"""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from mmact_eval.envs.libero.compiled.textures import Textures


def render_context(model: Any, textures: Textures, font: Any) -> Any:
    """A `mujoco.MjrContext` in the current OpenGL context, as its constructor would make it.

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
    for number, first in enumerate(textures.firsts()):
        if first != number:
            context.texture[number] = context.texture[first]  # OpenGL's name of it
            continue
        with textures.in_memory(number):
            mujoco.mjr_uploadTexture(model, context, number)
    return context
