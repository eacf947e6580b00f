"""For how long another process was stopped (SIGSTOP, a debugger): it has not hung, nobody let it run."""

from __future__ import annotations

import sys
from pathlib import Path

from mmact_eval.engine.limits.running_clock import running_seconds

_EVERY = 0.5
"""Seconds between two looks."""


class Standstill:
    """Watches a process from outside, as often as somebody asks. Without ``/proc`` no process is ever seen to stop."""

    def __init__(self, process: int) -> None:
        """`process`: its number."""
        self._stat = Path(f"/proc/{process}/stat")
        self.begin()

    def begin(self) -> None:
        """Count from now on."""
        self._looked_at, self._seconds = running_seconds(), 0.0

    def seconds(self) -> float:
        """For how long it was stopped since `begin`, to half a second or the time since the last call."""
        now = running_seconds()
        if now - self._looked_at >= _EVERY:
            self._seconds += now - self._looked_at if self._is_stopped() else 0.0
            self._looked_at = now
        return self._seconds

    def _is_stopped(self) -> bool:
        if sys.platform != "linux":
            return False
        try:
            about = self._stat.read_text(encoding="ascii", errors="replace")
        except OSError:
            return False
        return about.rpartition(") ")[2][:1] in ("T", "t")
