"""One at a time, among the processes that use a folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def alone(file: Path, seconds: float) -> Iterator[None]:
    """Within it no other process is within it for the same file.

    It is a courtesy and no safeguard: where the file cannot be locked, or somebody else holds it for too long, this
    goes on all the same. The kernel frees what a process held that died.

    Args:
        file: is made if it is not there, and stays.
        seconds: how long to wait.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError:
        yield
        return
    try:
        _wait(descriptor, time.monotonic() + seconds)
        yield
    finally:
        os.close(descriptor)


def _wait(descriptor: int, until: float) -> None:
    while time.monotonic() < until:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(0.05)
        except OSError:  # a file system without locks
            return
