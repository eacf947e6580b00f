"""The output of workers, in the logs of the arm that they run: one file for each worker, as with the local engine."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

from mmact_eval.engine.ray.handle import RemoteWorker


class WorkerLogs:
    """Writes what workers have printed; a log that cannot be written is no reason not to run."""

    def __init__(self, folders: Sequence[str]) -> None:
        """`folders`: the log folder of each arm, "" for none."""
        self._folders = folders

    @property
    def folder(self) -> str:
        """Where somebody should look, in words."""
        return next(filter(None, self._folders), "the session's folder of Ray")

    def begin(self, worker: RemoteWorker) -> None:
        """Say where a worker is that has just come to life."""
        assert worker.hello is not None
        self.write(worker, f"--- worker {worker.number} on {worker.hello.host} ---\n".encode())

    def write(self, worker: RemoteWorker, printed: bytes) -> None:
        """Put what a worker has printed to its log, of the arm that it works for now."""
        arm = worker.assignment.job.arm if worker.assignment is not None else 0
        folder = self._folders[arm] if self._folders else ""
        if printed and folder:
            with contextlib.suppress(OSError):
                os.makedirs(folder, exist_ok=True)
                with open(f"{folder}/worker-{worker.number}.log", "ab") as file:
                    file.write(printed)
