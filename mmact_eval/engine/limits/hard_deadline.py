"""End the process when its main loop hangs inside C code, where no Python exception can reach it."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import sys
import threading
from types import TracebackType

from mmact_eval.engine.limits.running_clock import running_seconds
from mmact_eval.engine.limits.watching_thread import start_watching

_SLACK = 60.0
_EVERY = 1.0
_WITHOUT_THREADS = 86400.0
"""Seconds more for C code that lets no other thread run: its timer cannot tell a hang from a standstill."""


class HardDeadline:
    """A dead man's switch: without a `beat` for `seconds` plus a minute, print where the process hangs and exit(1).

    What a run has finished is on disk by then; the same command goes on from there. Time in which the process stood
    still does not count (see `running_clock`).
    """

    def __init__(self, seconds: float) -> None:
        self._limit = seconds + _SLACK
        self._beaten_at = self._armed_at = float("-inf")
        self._over = threading.Event()

    def beat(self) -> None:
        """The loop is alive."""
        self._beaten_at = running_seconds()
        if self._beaten_at - self._armed_at > self._limit / 10:
            with contextlib.suppress(RuntimeError):  # no thread for it
                faulthandler.dump_traceback_later(self._limit + _WITHOUT_THREADS, exit=True)
            self._armed_at = self._beaten_at

    def __enter__(self) -> HardDeadline:
        self.beat()
        start_watching(self._watch, "hard deadline")
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._over.set()
        faulthandler.cancel_dump_traceback_later()

    def _watch(self) -> None:
        while not self._over.wait(_EVERY):
            silent = running_seconds() - self._beaten_at
            if silent > self._limit:
                with contextlib.suppress(Exception):  # nothing may keep the process from ending
                    faulthandler.dump_traceback(all_threads=True)
                    print(
                        f"Error: the main thread has hung for {silent:.0f} s where the lines above say: in C code of "
                        "the policy, most likely. Finished episodes are safe; give the same command again to resume.",
                        file=sys.stderr,
                        flush=True,
                    )
                os._exit(1)
