"""The engine's end of a worker process: start it, talk to it, know how long it has been busy, end it."""

from __future__ import annotations

import multiprocessing
import signal
import time
from dataclasses import dataclass
from typing import Any

from mmact_eval.engine import worker
from mmact_eval.engine.messages import Stop, WorkerConfig
from mmact_eval.types import Episode

_BUILD_SECONDS = 600.0
"""What building an environment may take, on top of the episode's limit: import, model compilation, first rendering."""


@dataclass
class Assignment:
    """An episode in a worker's hands, and which attempt this is."""

    episode: Episode
    attempt: int


class WorkerHandle:
    """A worker process. Only the engine's thread uses it.

    Attributes:
        config: what it was started with; `config.number` names it.
        pipe: the engine's end of the pipe.
        assignment: the episode it works on, if any.
        open_tasks: tasks whose environments it has open, the most recently used last.
        ready: whether it has said that it can work.
    """

    def __init__(self, config: WorkerConfig) -> None:
        # A fresh interpreter: nothing the parent has imported (torch, CUDA, a GL context) is inherited.
        context = multiprocessing.get_context("spawn")
        self.config = config
        self.pipe, theirs = context.Pipe()
        self.assignment: Assignment | None = None
        self.open_tasks: tuple[str, ...] = ()
        self.ready = False
        self._process = context.Process(
            target=worker.main, args=(theirs, config), name=f"mmact-eval worker {config.number}", daemon=True
        )
        self._process.start()
        theirs.close()
        self._busy_since: float | None = None
        self._spent = 0.0
        self._building = True
        self.mark_busy()

    def send(self, message: Any) -> None:
        """Send a message and start the clock.

        Raises:
            OSError: the worker is gone.
        """
        self.pipe.send(message)
        self.mark_busy()

    def start_episode(self, assignment: Assignment, message: Any) -> None:
        """Hand an episode over."""
        self.assignment = assignment
        self._spent = 0.0
        self.send(message)

    def mark_busy(self) -> None:
        """The worker's clock runs from now."""
        self._busy_since = time.monotonic()

    def mark_waiting(self) -> None:
        """The worker waits for the engine: its clock stands still."""
        if self._busy_since is not None:
            self._spent += time.monotonic() - self._busy_since
        self._busy_since = None

    def mark_building(self, building: bool) -> None:
        """Building has a limit of its own; the time it took does not count against the episode."""
        self._building = building
        self._spent = 0.0
        self.mark_busy()

    def overdue(self, episode_timeout: float) -> str:
        """Why the worker should be ended: which limit it has passed, "" if none."""
        if self._busy_since is None or (self.ready and self.assignment is None):
            return ""
        spent = self._spent + time.monotonic() - self._busy_since
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
        self._process.join(timeout=0.2)
        ended_by_itself = self._process.exitcode is not None
        self._process.kill()
        self._process.join(timeout=10)
        self.pipe.close()
        code = self._process.exitcode
        if not ended_by_itself or code is None:
            return "was ended"
        if code < 0:
            return f"died of signal {-code} ({signal.Signals(-code).name})"
        return f"exited with code {code}"

    def ask_to_stop(self) -> None:
        """Tell it that there is nothing more to do."""
        try:
            self.pipe.send(Stop())
        except OSError:
            return

    def join(self, seconds: float) -> None:
        """Wait for it to close its environments; then end it."""
        self._process.join(timeout=max(0.0, seconds))
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join(timeout=10)
        self.pipe.close()
