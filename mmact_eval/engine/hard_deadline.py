"""End the process when its main loop hangs inside C code, where no Python exception can reach it."""

from __future__ import annotations

import faulthandler
import time
from types import TracebackType

_SLACK = 60.0
_EVERY = 5.0


class HardDeadline:
    """A dead man's switch: without a `beat` for `seconds` plus a minute, print where the process hangs and exit(1).

    What a run has finished is on disk by then; the same command goes on from there.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._armed_at = float("-inf")

    def beat(self) -> None:
        """The loop is alive. Arming costs a thread, so it is done every few seconds only."""
        now = time.monotonic()
        if now - self._armed_at > _EVERY:
            faulthandler.dump_traceback_later(self._seconds + _SLACK + _EVERY, exit=True)
            self._armed_at = now

    def __enter__(self) -> HardDeadline:
        self.beat()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        faulthandler.cancel_dump_traceback_later()
