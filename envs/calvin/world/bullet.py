"""One simulation of pybullet with a client of its own: every call says whose it is."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import sys
import weakref
from collections.abc import Iterator
from typing import Any

from mmact_eval.errors import EnvironmentFailure, UsageError

TIME_STEP = 1.0 / 240.0
"""Seconds of a simulation step."""

RENDERERS = ("tiny", "egl")
"""``tiny``: TinyRenderer, on the processor. ``egl``: OpenGL without a screen; what published numbers were made with."""


_with_egl: set[int] = set()
"""The client of this process that draws with EGL, if one does."""


class Bullet:
    """Everything that pybullet offers, as attributes, bound to one client.

    The simulation ends with `close`, or with the object.
    """

    def __init__(self, renderer: str = "tiny") -> None:
        """Connect, and set the simulation up as upstream does.

        Args:
            renderer: one of `RENDERERS`. With ``egl`` the plug-in is loaded here, before any body: later it draws an
                empty background.

        Raises:
            UsageError: pybullet is not installed, or there is no EGL here.
            EnvironmentFailure: a simulation of this process draws with EGL already. A second one would spoil the
                pictures of both: they come out empty, or another's.
        """
        if renderer == "egl" and _with_egl:
            raise EnvironmentFailure(
                "pybullet draws with EGL in one simulation of a process at a time; close the other first"
            )
        self._pybullet = pybullet()
        self.client = self._pybullet.connect(self._pybullet.DIRECT)
        if self.client < 0:
            raise EnvironmentFailure("pybullet gives no further simulation (there may be 1,024 in a process)")
        self._end = weakref.finalize(self, _disconnect, self._pybullet, self.client)
        self._end.atexit = False  # pybullet ends what is left by itself
        if renderer == "egl":
            self._load_egl()
        self.resetSimulation()
        self.setPhysicsEngineParameter(deterministicOverlappingPairs=1)
        self.setTimeStep(TIME_STEP)
        self.resetSimulation()
        self.setGravity(0.0, 0.0, -9.8)

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._pybullet, name)
        bound = functools.partial(member, physicsClientId=self.client) if callable(member) else member
        setattr(self, name, bound)
        return bound

    def close(self) -> None:
        """End the simulation; again is harmless."""
        self._end()
        # The next simulation may get this one's number: what is bound to it may not be called again.
        self.__dict__ = {"_pybullet": self._pybullet, "_end": self._end, "client": -1}

    def _load_egl(self) -> None:
        found = importlib.util.find_spec("eglRenderer")
        origin = found.origin if found else None
        if origin is None or self.loadPlugin(origin, "_eglRendererPlugin") < 0:
            self.close()
            raise UsageError(
                "pybullet finds no EGL here, which env_args.renderer=egl needs; leave it out to draw on the processor"
            )
        _with_egl.add(self.client)


def _disconnect(package: Any, client: int) -> None:
    """Not a method of what it ends, which would then never end by itself."""
    _with_egl.discard(client)
    package.disconnect(physicsClientId=client)


@functools.cache
def pybullet() -> Any:
    """The package, imported without the line that it prints.

    Raises:
        UsageError: it is not installed; says what to do.
    """
    try:
        with _silent_stderr():
            import pybullet as package
    except ImportError as error:
        raise UsageError(f"CALVIN needs pybullet: {how_to_install()} ({error})") from error
    return package


def how_to_install() -> str:
    """What to do where pybullet is missing."""
    if sys.version_info[:2] >= (3, 12):
        version = "{}.{}".format(*sys.version_info)
        return f"it has wheels for Python 3.10 and 3.11 and none for {version}; make an environment with one of those"
    return "pip install 'mmact-eval[calvin]'"


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """C code prints nothing there. Where stderr is closed there is nothing to silence."""
    try:
        kept = os.dup(2)
    except OSError:
        yield
        return
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
