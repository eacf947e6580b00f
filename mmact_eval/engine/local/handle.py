"""The engine's end of a worker process: start it, talk to it, know how long it has been busy, end it."""

from __future__ import annotations

import contextlib
import logging
import math
import signal
import socket
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from typing import IO, Any

from mmact_eval.engine.jobs import Assignment, Place
from mmact_eval.engine.limits.running_clock import running_seconds
from mmact_eval.engine.limits.standstill import Standstill
from mmact_eval.engine.local.messages import Run, Stop, WorkerConfig

log = logging.getLogger(__name__)

_BUILD_SECONDS = 600.0
"""What building an environment may take, on top of the episode's limit: import, model compilation, first rendering."""


_START = "import sys; sys.path[:] = filter(None, sys.path); from mmact_eval.engine.local.worker import start; start()"
"""Without the working folder in the path: a checkout of LIBERO there must not hide the installed one."""


class WorkerHandle:
    """A worker process. Only the engine's thread uses it.

    Attributes:
        config: what it was started with; `config.number` names it.
        pipe: the engine's end of the pipe.
        assignment: the job it works on, if any.
        open_places: what it has environments of, the most recently used last.
        ready: whether it has said that it can work.
    """

    def __init__(self, config: WorkerConfig) -> None:
        """
        Raises:
            OSError: the machine has no more files or processes for it.
        """
        self.config = config
        self.assignment: Assignment | None = None
        self.open_places: tuple[Place, ...] = ()
        self.ready = False
        ours, theirs = socket.socketpair()
        with ours, theirs:
            self._process = self._start(config, theirs.fileno())
            self.pipe = Connection(ours.detach())
        with contextlib.suppress(OSError):  # one that has died already is found by its end of file
            self.pipe.send(config)
        self._busy_since: float | None = None
        self._stood_still = Standstill(self._process.pid)
        self._spent = 0.0
        self._building = True
        self.mark_busy()

    @staticmethod
    def _start(config: WorkerConfig, descriptor: int) -> subprocess.Popen[bytes]:
        """Start a fresh interpreter.

        Nothing the parent has imported (torch, CUDA, a GL context) is inherited, and unlike with `multiprocessing`
        the parent's main script is not run again.
        """
        command = [sys.executable, "-c", _START, str(descriptor)]
        with _opened(config.log_file()) as output:
            return subprocess.Popen(
                command, pass_fds=[descriptor], stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT if output else None,
            )  # fmt: skip

    def send(self, message: Any) -> None:
        """Send a message and start the clock.

        Raises:
            OSError: the worker is gone.
        """
        self.pipe.send(message)
        self.mark_busy()

    def start_episode(self, assignment: Assignment) -> None:
        """Hand an episode over.

        Raises:
            OSError: the worker is gone.
        """
        self.assignment = assignment
        self._spent = 0.0
        self.send(Run(assignment.job))

    def mark_busy(self) -> None:
        """The worker's clock runs from now; it stands still while the engine does (see `running_clock`)."""
        self._busy_since = running_seconds()
        self._stood_still.begin()

    def mark_waiting(self, since: float) -> None:
        """The worker has been waiting for the engine since then (`time.monotonic`): its clock stands still."""
        if self._busy_since is not None:
            waited = time.monotonic() - since
            self._spent += max(0.0, running_seconds() - waited - self._busy_since - self._stood_still.seconds())
        self._busy_since = None

    def mark_building(self, building: bool) -> None:
        """Building has a limit of its own; the time it took does not count against the episode."""
        self._building = building
        self._spent = 0.0
        self.mark_busy()

    def overdue(self) -> str:
        """Why the worker should be ended: which limit it has passed, "" if none.

        One that has said something the engine has not heard yet is not late: the engine was busy with the policy.
        """
        if self._busy_since is None or (self.ready and self.assignment is None):
            return ""
        episode_timeout = self.assignment.timeout if self.assignment else math.inf
        spent = self._spent + running_seconds() - self._busy_since - self._stood_still.seconds()
        if spent > min(_BUILD_SECONDS, episode_timeout) and self.pipe.poll(0):
            return ""
        if self._building and spent > _BUILD_SECONDS:
            return f"building the environment took more than {_BUILD_SECONDS:.0f} s"
        if not self._building and spent > episode_timeout:
            return f"the environment was busy for more than {episode_timeout:g} s (protocol.episode_timeout)"
        return ""

    def kill(self) -> str:
        """End it at once, if it has not ended already.

        Returns:
            How the process ended, in words.
        """
        ended_by_itself = self._wait(0.2)
        self._process.kill()
        self._wait(10)
        self.pipe.close()
        code = self._process.returncode
        if not ended_by_itself or code is None:
            return "was ended"
        if code < 0:
            return f"died of signal {-code} ({signal.Signals(-code).name})"
        return f"exited with code {code}"

    def _wait(self, seconds: float) -> bool:
        """Whether the process has ended, after waiting so long at most."""
        try:
            self._process.wait(timeout=max(0.0, seconds))
        except subprocess.TimeoutExpired:
            return False
        return True

    def ask_to_stop(self) -> None:
        """Tell it that there is nothing more to do."""
        try:
            self.pipe.send(Stop())
        except OSError:
            return

    def join(self, seconds: float) -> None:
        """Wait for it to close its environments; then end it."""
        if not self._wait(seconds):
            self._process.kill()
            self._wait(10)
        self.pipe.close()


def _opened(log_file: str) -> contextlib.AbstractContextManager[IO[bytes] | None]:
    """The file that a worker prints to; None, which is where this process prints to, if there is none.

    A log that cannot be opened (of another user, on a disk without room) is no reason not to run.
    """
    if not log_file:
        return contextlib.nullcontext()
    try:
        return open(log_file, "ab")
    except OSError as error:
        log.warning("cannot write %s (%s): what the worker prints comes here", log_file, error.strerror)
        return contextlib.nullcontext()
