"""Draws a scene of robosuite's with those triangles that leave a trace in the picture, and the same pixels."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray
from OpenGL import GL

from mmact_eval.envs.libero.pictures.lists import Lists
from mmact_eval.envs.libero.pictures.meshes import Meshes
from mmact_eval.envs.libero.pictures.regions import Image
from mmact_eval.envs.libero.pictures.row import NOTHING, Row, Sight
from mmact_eval.envs.libero.pictures.scenes import REFLECTION, any_mirror, is_plain, opaque_meshes


class Drawing:
    """The pictures of one render context of robosuite's, whose OpenGL context is current whenever this is used.

    It spares Mesa's software renderer most of its work; with any other (a GPU does it in no time), and where a scene
    has what this does not know (shadows, say), MuJoCo draws everything.

    Attributes:
        everything: whether MuJoCo draws everything in any case.
    """

    def __init__(self, context: Any) -> None:
        """`context`: a robosuite `MjRenderContextOffscreen`."""
        self._context = context
        self._meshes = Meshes(context.model._model)
        self._geoms = list(context.scn.geoms)
        self.everything = b"llvmpipe" not in GL.glGetString(GL.GL_RENDERER)
        self._compared: set[int] = set()
        self._lists: Lists | None = None
        self._lists_of: Any = None
        self._rows: dict[tuple[int, int, int, bool], Row] = {}

    def picture(self, camera: int, width: int, height: int) -> NDArray[np.uint8]:
        """The (height, width, 3) RGB picture of a camera (its number in the model), rows from bottom to top.

        A camera's first picture is drawn both ways. Should they differ, which has not been seen, there is a warning and
        MuJoCo draws everything from then on.
        """
        pixels = self._draw(camera, width, height, self.everything)
        if self.everything or camera in self._compared:
            return pixels
        self._compared.add(camera)
        expected = self._draw(camera, width, height, everything=True)
        if not np.array_equal(pixels, expected):
            self.everything = True
            warnings.warn("this OpenGL draws chosen triangles differently; pictures take longer here", stacklevel=2)
        return expected

    def _draw(self, camera: int, width: int, height: int, everything: bool) -> NDArray[np.uint8]:
        context = self._context
        if width > context.con.offWidth or height > context.con.offHeight:
            context.update_offscreen_size(max(width, context.con.offWidth), max(height, context.con.offHeight))
        context.cam.type = mujoco.mjtCamera.mjCAMERA_FIXED
        context.cam.fixedcamid = camera
        model, data, seen = context.model._model, context.data._data, mujoco.mjtCatBit.mjCAT_ALL
        mujoco.mjv_updateScene(model, data, context.vopt, context.pert, context.cam, seen, context.scn)
        viewport = mujoco.MjrRect(0, 0, width, height)
        with contextlib.nullcontext() if everything else self._with_less(camera, width, height):
            mujoco.mjr_render(viewport, context.scn, context.con)
        pixels: NDArray[np.uint8] = context.read_pixels(width, height)
        return pixels

    @contextlib.contextmanager
    def _with_less(self, camera: int, width: int, height: int) -> Iterator[None]:
        """Change the scene for a while so that `mjr_render` draws it with less, where that is possible."""
        scene = self._context.scn
        image = Image.of(mujoco.mjv_averageCamera(*scene.camera), width, height)
        mirror, known = any_mirror(self._geoms[: scene.ngeom], image)
        if not known or not is_plain(scene, width, height):
            yield
            return
        if self._lists is None or self._lists_of is not self._context.con:
            self._lists_of, self._rows = self._context.con, {}
            self._lists = Lists(self._lists_of, len(self._meshes.geoms))
        geoms = {self._meshes.place[geom.objid]: geom for geom in opaque_meshes(self._geoms[: scene.ngeom])}
        whole = np.full(len(self._meshes.geoms), NOTHING)
        whole[list(geoms)] = [geom.dataid for geom in geoms.values()]
        poses = self._meshes.poses(self._context.data._data)

        outside = self._row(camera, width, height, False)
        outside.choose(Sight.direct(image), poses, whole)
        if mirror is None:
            for place, geom in geoms.items():
                geom.dataid = outside.dataids[place]
            scene.flags[REFLECTION] = 0
            try:
                yield
            finally:
                scene.flags[REFLECTION] = 1
            return
        inside = self._row(camera, width, height, True)
        inside.choose(Sight.mirrored(image, mirror), poses, whole)
        for place, geom in geoms.items():
            same = outside.dataids[place] == inside.dataids[place]
            geom.dataid = outside.dataids[place] if same else self._lists.from_base(place)
        self._lists.begin(inside.first, outside.first, self._geoms[scene.ngeom])
        scene.ngeom += 1
        try:
            yield
        finally:
            self._lists.end()

    def _row(self, camera: int, width: int, height: int, in_mirror: bool) -> Row:
        assert self._lists is not None
        key = camera, width, height, in_mirror
        if key not in self._rows:
            self._rows[key] = Row(self._lists, self._meshes)
        return self._rows[key]
