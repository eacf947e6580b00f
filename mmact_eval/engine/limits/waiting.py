"""Waiting for another process, as long as this one runs."""

from __future__ import annotations

from multiprocessing.connection import Connection

from mmact_eval.engine.limits.running_clock import running_seconds

_LONGEST_WAIT = 2.0
"""Seconds between two looks at the clock."""


def says_something(pipe: Connection, seconds: float) -> bool:
    """Wait until there is something to be received, so many seconds at most in which this process runs.

    Raises:
        OSError: the pipe is closed.
    """
    until = running_seconds() + seconds
    while (left := until - running_seconds()) > 0:
        if pipe.poll(min(left, _LONGEST_WAIT)):
            return True
    return pipe.poll(0)
