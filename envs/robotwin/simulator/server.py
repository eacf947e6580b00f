"""Answers requests from the other end of a pipe until it closes. One request, one answer."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import sys
import traceback
from importlib.metadata import PackageNotFoundError, version
from multiprocessing.connection import Connection
from typing import Any

from . import wire
from .runtime import Runtime, Settings
from .task import Driver

_PACKAGES = ("sapien", "mplib", "toppra", "numpy")


def serve(descriptor: int) -> None:
    """The process's main function: the pipe is behind this file descriptor."""
    _die_with_parent()
    pipe = Connection(descriptor)
    server = _Server()
    while True:
        try:
            request = wire.receive(pipe)
        except (EOFError, OSError):
            return
        wire.send(pipe, _answer(server, request))


def _answer(server: _Server, request: dict[str, Any]) -> dict[str, Any]:
    """What was asked for, or the error. Upstream calls `exit()` here and there: that is an error like another."""
    try:
        answer: dict[str, Any] = getattr(server, f"do_{request.pop('do')}")(**request)
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        what = "it called exit()" if isinstance(error, SystemExit) else f"{type(error).__name__}: {error}"
        return {"error": what}
    finally:
        sys.stdout.flush()
    return answer


class _Server:
    """A method for each request."""

    def __init__(self) -> None:
        self._driver: Driver | None = None

    @property
    def driver(self) -> Driver:
        assert self._driver is not None, "the first request is `open`"
        return self._driver

    def do_open(self, settings: dict[str, Any]) -> dict[str, Any]:
        runtime = Runtime(Settings(**settings))
        self._driver = Driver(runtime)
        return {"versions": _versions(), "stood_in": runtime.stood_in}

    def do_set_up(self, **arguments: Any) -> dict[str, Any]:
        return self.driver.set_up(**arguments)

    def do_check_seed(self, **arguments: Any) -> dict[str, Any]:
        return self.driver.check_seed(**arguments)

    def do_execute(self, **arguments: Any) -> dict[str, Any]:
        return self.driver.execute(**arguments)

    def do_image(self, camera: str) -> dict[str, Any]:
        return {"image": self.driver.image(camera)}

    def do_state_hash(self) -> dict[str, Any]:
        return {"hash": self.driver.state_hash()}

    def do_close(self) -> dict[str, Any]:
        self.driver.close()
        return {}


def _versions() -> dict[str, str]:
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for package in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def _die_with_parent() -> None:
    """Ask Linux to kill this process when the worker dies, even in the middle of a hanging call."""
    for number in (signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):  # Slurm's go to all processes of a step
        signal.signal(number, signal.SIG_IGN)  # they are the engine's to handle
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
