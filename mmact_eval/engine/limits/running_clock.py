"""A clock that stands still while this process does: a limit is for who hangs, not for who was not allowed to run.

A process stands still when it is stopped (Ctrl-Z, `scontrol suspend`), frozen with its container or paused with its
virtual machine. Nobody tells it; but a thread that wakes twice a second then finds that it has slept for much longer.
"""

from __future__ import annotations

import functools
import sys
import threading
import time

from mmact_eval.engine.limits.watching_thread import start_watching

_TICK = 0.5
"""Seconds between two looks of the thread; what a standstill counts as."""

_GAP = 2.5
"""Seconds between two looks from which on the process has stood still, unless its main thread has computed."""


class RunningClock:
    """Counts the seconds in which the process could run. Its thread lives as long as the process.

    A C call that computes without letting other threads run keeps the thread from looking, too; but then the main
    thread, which calls policies, has taken processor time.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal handler may look while its own thread does
        self._seconds = 0.0
        self._looked_at, self._computed = time.monotonic(), _main_thread_computed()
        start_watching(self._look_again_and_again, "running clock")

    def seconds(self) -> float:
        """Seconds so far, from some point in time on; comparable within this process only."""
        with self._lock:
            now, computed = time.monotonic(), _main_thread_computed()
            passed = now - self._looked_at
            stood_still = passed > _GAP and computed - self._computed < passed / 2
            self._seconds += _TICK if stood_still else passed
            self._looked_at, self._computed = now, computed
            return self._seconds

    def _look_again_and_again(self) -> None:
        while True:
            time.sleep(_TICK)
            self.seconds()


def _main_thread_computed() -> float:
    """Processor seconds of the main thread; those of all threads would be many for the moment before a standstill."""
    number = threading.main_thread().ident
    if sys.platform != "linux" or number is None:
        return 0.0
    return time.clock_gettime(time.pthread_getcpuclockid(number))


@functools.cache
def _clock() -> RunningClock:
    return RunningClock()


def running_seconds() -> float:
    """Seconds in which this process ran, as `time.monotonic` counts those that passed."""
    return _clock().seconds()
