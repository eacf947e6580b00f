"""The engine's end of a replica process; see `engine.replicas.link.ReplicaLink`."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable
from typing import Any

from mmact_eval.engine.limits.watching_thread import start_watching
from mmact_eval.engine.local.messages import Stop
from mmact_eval.engine.local.process import FreshProcess
from mmact_eval.engine.replicas.link import ReplicaPlan
from mmact_eval.engine.replicas.messages import Told


class ReplicaHandle:
    """A replica process.

    A thread writes to it: a stopped process reads nothing, and a batch of pictures is more than a pipe holds.

    Attributes:
        over: whether it has been ended.
    """

    def __init__(self, plan: ReplicaPlan, number: int, gpus: str | None = None) -> None:
        """
        Args:
            plan: what it has to know.
            number: which replica it is, from 0.
            gpus: that it sees, as ``CUDA_VISIBLE_DEVICES``; None to leave that alone.

        Raises:
            OSError: the machine has no more files or processes for it.
            RunAborted: it has no more threads.
        """
        log_file = f"{plan.log_folder}/replica-{number}.log" if plan.log_folder else ""
        environment = None if gpus is None else {"CUDA_VISIBLE_DEVICES": gpus}
        self._process = FreshProcess("mmact_eval.engine.local.replica", log_file, environment)
        self.over = False
        self._outbox: queue.SimpleQueue[ReplicaPlan | Told | Stop | None] = queue.SimpleQueue()
        self._outbox.put(plan)
        self._writer = start_watching(self._write, f"to replica {number}")

    def listen(self, hear: Callable[[Any], None]) -> None:
        """See `FreshProcess.listen`."""
        self._process.listen(hear)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def tell(self, message: Told) -> None:
        """See `ReplicaLink`."""
        self._outbox.put(message)

    def kill(self) -> str:
        """See `ReplicaLink`."""
        how = self._process.end()
        self._close()
        return how

    def ask_to_stop(self) -> None:
        """See `ReplicaLink`."""
        self._outbox.put(Stop())

    def join(self, seconds: float) -> None:
        """See `ReplicaLink`."""
        if not self._process.wait(seconds):
            self._process.end()
        self._close()

    def _close(self) -> None:
        """Its end is gone, so the thread can write no more; only then may the file be closed."""
        self.over = True
        self._outbox.put(None)
        self._writer.join(10)
        self._process.close()

    def _write(self) -> None:
        with contextlib.suppress(OSError):  # it is gone, which its end of file tells
            while (message := self._outbox.get()) is not None:
                self._process.pipe.send(message)
