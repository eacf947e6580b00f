"""A compiled model from its text: read from the cache, or compiled and kept there.

What is read is what compiling would give, to the last bit, but for the pixels of textures, which are read when a
picture is wanted. Without a cache (`limit` 0, a disk that is full or read-only) models are compiled in this process.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import logging
import os
from typing import Any, NamedTuple

from mmact_eval.envs.libero.compiled import compiler, key, store, upkeep
from mmact_eval.envs.libero.compiled.locks import alone
from mmact_eval.envs.libero.compiled.pieces import Damaged
from mmact_eval.envs.libero.compiled.store import Layout
from mmact_eval.envs.libero.compiled.textures import Textures
from mmact_eval.errors import UsageError
from mmact_eval.machine import user_folders
from mmact_eval.machine.workers import fitting

log = logging.getLogger(__name__)

VARIABLE = "MMACT_EVAL_LIBERO_MODELS_GIB"
_GIB = 2**30
_USUAL = 8.0
# GiB that compiling takes for some seconds, and how many do it at a time at most.
_COMPILING = 1.5
_AT_ONCE = 8
_PATIENCE = 120.0


class Compiled(NamedTuple):
    """A `mujoco.MjModel`, and what has the pixels of its textures."""

    model: Any
    textures: Textures


def limit() -> int:
    """Bytes that the cache may take; 0: there is none.

    Raises:
        UsageError: ``MMACT_EVAL_LIBERO_MODELS_GIB`` is no such number.
    """
    text = os.environ.get(VARIABLE, "") or str(_USUAL)
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found < float("inf"):
        raise UsageError(f"{VARIABLE} is {text!r}", "set it to GiB that compiled models may take, or to 0 for none")
    return int(found * _GIB)


def layout() -> Layout:
    """Where the cache is, or would be.

    Raises:
        UsageError: nothing can be kept here.
    """
    return Layout(user_folders.cache_folder() / "libero-models")


def compiled(xml: str) -> Compiled:
    """The model that an MJCF text compiles to.

    Raises:
        ValueError: it does not compile.
        UsageError: see `limit`.
    """
    found = _kept(xml) if limit() else None
    if found is None:
        import mujoco

        model = mujoco.MjModel.from_xml_string(xml)
        _give_memory_back()
        found = Compiled(model, Textures(model))
    return found


def _kept(xml: str) -> Compiled | None:
    """From the cache, into which it comes if it is not there; None if that cannot be."""
    name = key.model_key(xml)
    if name is None:
        return None
    try:
        where = layout()
        found = _read(where, name)
        if found is None:
            user_folders.for_writing(where.folder)
            with alone(where.folder / "locks" / _slot(name), _PATIENCE):
                found = _read(where, name)  # somebody else may have compiled it meanwhile
                if found is None:
                    compiler.compile_into(where, name, xml)
                    found = _read(where, name)
            with alone(where.folder / "locks" / "upkeep", _PATIENCE):
                upkeep.shrink(where, limit())
    except (UsageError, OSError) as error:
        _say(str(error))
        return None
    return found


def _slot(name: str) -> str:
    """Which lock to hold while this model is compiled: one for the same model, and as few as the memory bears."""
    return str(int(name, 16) % min(_AT_ONCE, fitting(_COMPILING)[0]))


def _read(where: Layout, name: str) -> Compiled | None:
    try:
        found = store.read(where, name)
    except Damaged as error:
        log.warning("A compiled model in the cache is damaged and is made anew: %s", error)
        return None
    return found and Compiled(found[0], Textures(*found))


@functools.cache
def _say(problem: str) -> None:
    """Warn of a problem once."""
    log.warning("Compiled models are not kept, so each worker compiles its own: %s", problem)


def _give_memory_back() -> None:
    """The C library keeps what compiling freed."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
