"""The pixels of a model's textures: in memory only while they are handed to OpenGL, which has its own copy afterwards.

Physics never looks at them, and they are two thirds of a LIBERO model. MuJoCo wants them where the model has them, so
they are read into that place and the pages given back to the operating system, which it then finds zero.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmact_eval.envs.libero.compiled import cuts
from mmact_eval.envs.libero.compiled.cuts import Cut
from mmact_eval.envs.libero.compiled.pieces import Bytes, Damaged


class KeptTexture:
    """A texture in a file. The file stays readable here when the cache is cleared meanwhile.

    Attributes:
        name: what the file contains, in short: equal names, equal pixels.
    """

    def __init__(self, file: Path, cut: Cut) -> None:
        """
        Raises:
            Damaged: the file cannot be opened.
        """
        self.name = file.name
        self._cut = cut
        try:
            with open(file, "rb") as stream:
                self._content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise Damaged(str(error), file) from error

    def read_into(self, model: Any) -> None:
        """Put the pixels where the model has them."""
        self._cut.bytes_of(model)[:] = np.frombuffer(self._content, np.uint8)
        with contextlib.suppress(AttributeError, OSError):
            self._content.madvise(mmap.MADV_DONTNEED)


class Textures:
    """The textures of one model."""

    def __init__(self, model: Any, kept: Sequence[KeptTexture] = ()) -> None:
        """
        Args:
            model: `mujoco.MjModel`.
            kept: where its pixels are, by number; without, the model keeps them in memory.
        """
        self._model = model
        self._kept = kept
        self._release()

    @contextlib.contextmanager
    def in_memory(self, number: int) -> Iterator[None]:
        """Within it the model has the pixels of this texture."""
        if self._kept:
            self._kept[number].read_into(self._model)
        try:
            yield
        finally:
            self._release()

    def firsts(self) -> list[int]:
        """For each texture the first one with the same pixels and the same use: itself, where it is the only one."""
        model = self._model
        pixels: list[object] = [one.name for one in self._kept] or [
            _Pixels(cut.bytes_of(model)) for cut in cuts.textures(model)
        ]
        uses = ["tex_type", "tex_height", "tex_width", "tex_nchannel", "tex_colorspace"]
        arrays = [getattr(model, use) for use in uses if hasattr(model, use)]
        seen: dict[object, int] = {}
        return [
            seen.setdefault((one, *(int(array[number]) for array in arrays)), number)
            for number, one in enumerate(pixels)
        ]

    def _release(self) -> None:
        if self._kept:
            _give_back(self._model.tex_data.reshape(-1).view(np.uint8))


class _Pixels:
    """Compared by content; what differs is found by a checksum, most of the time."""

    def __init__(self, content: Bytes) -> None:
        self._content = content
        self._crc = zlib.crc32(content.data)

    def __hash__(self) -> int:
        return self._crc

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Pixels) and np.array_equal(self._content, other._content)


def _give_back(content: Bytes) -> None:
    """Let the operating system have the pages that lie within some bytes; it reads them as zero from then on.

    Where it refuses they stay as they are.
    """
    page = mmap.PAGESIZE
    start = -(-content.ctypes.data // page) * page
    stop = (content.ctypes.data + content.size) // page * page
    if stop > start:
        with contextlib.suppress(AttributeError, OSError):
            ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(stop - start), mmap.MADV_DONTNEED)
