"""Calls of Ray that wait, and signals meanwhile.

Ray knows no exception of a handler but `KeyboardInterrupt`: any other goes on waiting with the call, which then ends in
a `SystemError` that says nothing of it. So signals that ask the run to stop wait until the call is over.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import ray

_STOPS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)

_AT_ONCE = 0.5
"""Seconds of waiting after which signals have their turn."""


def wait(calls: Sequence[Any], number: int = 1, seconds: float = 0.0) -> list[Any]:
    """The calls that are answered, once there are `number` of them or the time is over."""
    end = time.monotonic() + seconds
    while True:
        left = max(0.0, end - time.monotonic())
        with signals_wait():
            answered, _ = ray.wait(list(calls), num_returns=number, timeout=min(left, _AT_ONCE))
        if len(answered) >= number or left <= _AT_ONCE:
            return list(answered)


def get(call: Any) -> Any:
    """The answer of a call that is answered.

    Raises:
        ray.exceptions.RayError: there is none any more, or it was an error.
    """
    with signals_wait():
        return ray.get(call)


@contextmanager
def signals_wait() -> Iterator[None]:
    """Let handlers of signals that ask to stop run only after the block, and be what they were before it."""
    if threading.current_thread() is not threading.main_thread():  # where no handler ever runs
        yield
        return
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)

    before = {number: signal.getsignal(number) for number in _STOPS}
    try:
        for number, handler in before.items():
            if callable(handler):
                signal.signal(number, note)
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # else it is none of Python's
                signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])
