"""A process of the engine's: a fresh interpreter behind a socket pair, that dies with it."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import IO

log = logging.getLogger(__name__)


class FreshProcess:
    """The engine's end of one.

    Nothing the parent has imported (torch, CUDA, a GL context) is inherited, and unlike with `multiprocessing` the
    parent's main script is not run again.

    Attributes:
        pipe: the engine's end of the pipe.
    """

    def __init__(self, module: str, log_file: str, environment: Mapping[str, str] | None = None) -> None:
        """
        Args:
            module: whose `start` it calls; see `connected`.
            log_file: what it prints goes there, C libraries' output included; "": to where this process prints.
            environment: variables that it has beside those of this process.

        Raises:
            OSError: the machine has no more files or processes for it.
        """
        # Without the working folder in the path: a checkout of LIBERO there must not hide the installed one.
        code = f"import sys; sys.path[:] = filter(None, sys.path); from {module} import start; start()"
        ours, theirs = socket.socketpair()
        with ours, theirs:
            command = [sys.executable, "-c", code, str(theirs.fileno())]
            with _opened(log_file) as output:
                self._process = subprocess.Popen(
                    command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=output,
                    stderr=subprocess.STDOUT if output else None,
                    env={**os.environ, **environment} if environment else None,
                )  # fmt: skip
            self.pipe = Connection(ours.detach())

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def end(self) -> str:
        """End it at once, if it has not ended already; the pipe stays open.

        Returns:
            How it ended, in words.
        """
        ended_by_itself = self.wait(0.2)
        self._process.kill()
        self.wait(10)
        code = self._process.returncode
        if not ended_by_itself or code is None:
            return "was ended"
        if code < 0:
            return f"died of signal {-code} ({signal.Signals(-code).name})"
        return f"exited with code {code}"

    def wait(self, seconds: float) -> bool:
        """Whether it has ended, after waiting so long at most."""
        try:
            self._process.wait(timeout=max(0.0, seconds))
        except subprocess.TimeoutExpired:
            return False
        return True


def _opened(log_file: str) -> contextlib.AbstractContextManager[IO[bytes] | None]:
    """The file that a process prints to; None, which is where this process prints to, if there is none.

    A log that cannot be opened (of another user, on a disk without room) is no reason not to run.
    """
    if not log_file:
        return contextlib.nullcontext()
    try:
        return open(log_file, "ab")
    except OSError as error:
        log.warning("cannot write %s (%s): what the process prints comes here", log_file, error.strerror)
        return contextlib.nullcontext()


def connected() -> Connection:
    """Within such a process: its end of the pipe. From now on it leaves Ctrl-C to the engine and dies with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with_parent()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    return Connection(int(sys.argv[1]))


def _die_with_parent() -> None:
    """Ask Linux to kill this process when the engine dies, even in the middle of a call that hangs."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
