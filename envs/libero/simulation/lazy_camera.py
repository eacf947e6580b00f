"""Rendering after the fact: keep what a camera would have seen, draw it only if somebody asks.

robosuite samples its observables at a substep *within* a control step, chosen by a timer, so that an image is slightly
older than the state the step ends in. To decide later whether an image is wanted, and still get the very pixels that
rendering on the spot would have given, everything that a picture depends on is copied at that substep: the simulation's
data (0.03 ms) and the one model array that changes within an episode, the colours of the sites (a stove's burner).
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmact_eval.envs.libero.compiled.textures import Textures
from mmact_eval.envs.libero.simulation.data_copy import DataCopy
from mmact_eval.envs.libero.simulation.uploads import render_context


class Snapshot:
    """A copy of the simulation as it was when the observables were last sampled.

    It doubles as the "simulation" that robosuite's render context looks at, so that drawing cannot touch the live one:
    it has the four things that context uses (`model`, `data`, `forward`, `add_render_context`).

    Attributes:
        number: how many have been taken.
        textures: the model's.
    """

    def __init__(self, sim: Any, textures: Textures) -> None:
        """`sim`: a robosuite `MjSim`; its model is shared, its data is copied."""
        self.model = sim.model
        self.textures = textures
        self._copy = DataCopy(sim.model._model, sim.data._data)
        self.data: Any = _Data(self._copy.data)
        self._site_rgba = sim.model.site_rgba.copy()
        self.number = 0

    def take(self) -> None:
        """Copy the simulation as it is now."""
        self._copy.take()
        self._site_rgba[:] = self.model.site_rgba
        self.number += 1

    @contextlib.contextmanager
    def colours(self) -> Iterator[None]:
        """Give the shared model the site colours of the snapshot for a while."""
        now = self.model.site_rgba.copy()
        self.model.site_rgba[:] = self._site_rgba
        try:
            yield
        finally:
            self.model.site_rgba[:] = now

    def forward(self) -> None:
        """The copy is complete: nothing to compute."""

    def add_render_context(self, context: Any) -> None:
        """The context belongs to the `Renderer`."""


class _Data:
    """robosuite's render context reads `data._data`, nothing else."""

    def __init__(self, data: Any) -> None:
        self._data = data


class Renderer:
    """Draws a snapshot. The OpenGL context (3 s, texture upload mostly) is made when the first picture is wanted."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._context: Any = None
        self._drawing: Any = None
        self._drawn: dict[tuple[str, int], NDArray[np.uint8]] = {}
        self._drawn_from = -1

    def draw(self, camera: str, size: int) -> NDArray[np.uint8]:
        """The (size, size, 3) uint8 RGB image of a camera, rows from bottom to top as OpenGL and robosuite give it.

        A snapshot is drawn once, whoever looks: a policy and a video, say. The image is read-only.
        """
        if self._drawn_from != self._snapshot.number:
            self._drawn, self._drawn_from = {}, self._snapshot.number
        if (camera, size) not in self._drawn:
            self._drawn[camera, size] = self._draw(camera, size)
        return self._drawn[camera, size]

    def _draw(self, camera: str, size: int) -> NDArray[np.uint8]:
        drawing = self._current()
        camera_id = self._snapshot.model.camera_name2id(camera)
        with self._snapshot.colours():
            pixels: NDArray[np.uint8] = drawing.picture(camera_id, size, size)
        pixels.flags.writeable = False
        return pixels

    def close(self) -> None:
        """Free the OpenGL context."""
        if self._context is not None:
            self._context.free()
            self._context = self._drawing = None

    def _current(self) -> Any:
        if self._context is None:
            # PyOpenGL and numba, which not everybody who makes a scene needs.
            from mmact_eval.envs.libero.pictures.drawing import Drawing

            self._context = _context_class()(self._snapshot, device_id=-1)
            # Visual meshes only, as robosuite sets it for cameras.
            self._context.vopt.geomgroup[0] = 0
            self._context.vopt.geomgroup[1] = 1
            self._drawing = Drawing(self._context)
        # robosuite never does this, so with two environments in a process it draws into the wrong one.
        self._context.gl_ctx.make_current()
        return self._drawing


@functools.cache
def _context_class() -> Any:
    """robosuite's render context, freed in the right order."""
    from robosuite.utils.binding_utils import MjRenderContextOffscreen

    class RenderContext(MjRenderContextOffscreen):  # type: ignore[misc]
        """robosuite frees whatever OpenGL context is current: another environment's, perhaps, when it is collected."""

        _freed = False

        def _set_mujoco_context_and_buffers(self) -> None:
            font = mujoco.mjtFontScale.mjFONTSCALE_150
            self.con = render_context(self.model._model, self.sim.textures, font)
            mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self.con)

        def free(self) -> None:
            if not self._freed:
                self._freed = True
                self.gl_ctx.make_current()
                self.con.free()
                self.gl_ctx.free()

        def __del__(self) -> None:
            # At interpreter exit the GL library may be gone already.
            with contextlib.suppress(Exception):
                self.free()

    return RenderContext
