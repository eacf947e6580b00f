"""The engine's end of a worker process: start it, talk to it, know how long it has been busy, end it."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from typing import Any

from mmact_eval.engine.jobs import Assignment, Place
from mmact_eval.engine.limits.running_clock import running_seconds
from mmact_eval.engine.limits.standstill import Standstill
from mmact_eval.engine.local.messages import Run, Stop, WorkerConfig
from mmact_eval.engine.local.process import FreshProcess

_BUILD_SECONDS = 600.0
"""What building an environment may take, on top of the episode's limit: import, model compilation, first rendering."""


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
        self._process = FreshProcess("mmact_eval.engine.local.worker", config.log_file())
        self.pipe = self._process.pipe
        with contextlib.suppress(OSError):  # one that has died already is found by its end of file
            self.pipe.send(config)
        self._busy_since: float | None = None
        self._stood_still = Standstill(self._process.pid)
        self._spent = 0.0
        self._building = True
        self.mark_busy()

    def listen(self, hear: Callable[[Any], None]) -> None:
        """See `FreshProcess.listen`."""
        self._process.listen(hear)

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
        how = self._process.end()
        self._process.close()
        return how

    def ask_to_stop(self) -> None:
        """Tell it that there is nothing more to do."""
        try:
            self.pipe.send(Stop())
        except OSError:
            return

    def join(self, seconds: float) -> None:
        """Wait for it to close its environments; then end it."""
        if not self._process.wait(seconds):
            self._process.end()
        self._process.close()
