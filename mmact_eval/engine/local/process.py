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
import threading
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import IO, Any

from mmact_eval.engine.limits.watching_thread import start_watching

log = logging.getLogger(__name__)


class Gone:
    """What `FreshProcess.listen` hears last: the process is gone."""


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
        self._reader: threading.Thread | None = None

    def listen(self, hear: Callable[[Any], None]) -> None:
        """From now on a thread reads what the process says, however busy the engine is, and calls `hear` with it.

        A question with its pictures is more than a pipe holds: without this, who asks could not finish while the
        policy answers others, and the policy would wait for all of it to be read when it is free again.

        Args:
            hear: called in the thread with each message, with an exception in the place of one that cannot be read
                here, and at last with `Gone`.

        Raises:
            RunAborted: the machine has no thread for it.
        """
        self._reader = start_watching(lambda: self._read(hear), f"from process {self.pid}")

    def _read(self, hear: Callable[[Any], None]) -> None:
        while True:
            try:
                message = self.pipe.recv()
            except (EOFError, OSError):
                hear(Gone())
                return
            except Exception as error:
                hear(error)
                return
            hear(message)

    def close(self) -> None:
        """Close the pipe of a process that has ended."""
        if self._reader is not None and not self.pipe.closed:
            with socket.socket(fileno=os.dup(self.pipe.fileno())) as ours, contextlib.suppress(OSError):
                ours.shutdown(socket.SHUT_RDWR)  # a child of its own may live on and hold the other end
            self._reader.join()
        self.pipe.close()

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
    for number in (signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):  # Slurm's go to all processes of a step
        signal.signal(number, signal.SIG_IGN)  # they are the engine's to handle
    _die_with_parent()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    return Connection(int(sys.argv[1]))


def _die_with_parent() -> None:
    """Ask Linux to kill this process when the engine dies, even in the middle of a call that hangs."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
