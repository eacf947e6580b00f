"""What a worker's process prints, on its way to the engine's logs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MOST = 2**20
"""Bytes of a report. Of what is more than that its end is kept."""


class Printed:
    """The output of one process, in a file that has no name any more: nothing is left of it whoever dies."""

    def __init__(self) -> None:
        self._descriptor = -1

    @contextmanager
    def of(self, file: Path) -> Iterator[None]:
        """Watch a file that a process, started in this block, appends its output to. It and its folder vanish."""
        try:
            self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:  # a disk without room: no output, and no reason not to run
            yield
            return
        try:
            yield
        finally:
            with suppress(OSError):
                file.unlink()
                file.parent.rmdir()

    def new(self) -> bytes:
        """What has been printed since the last time; the file is emptied."""
        if self._descriptor < 0:
            return b""
        try:
            size = os.fstat(self._descriptor).st_size
            read = os.pread(self._descriptor, MOST, max(0, size - MOST)) if size else b""
            os.ftruncate(self._descriptor, 0)  # the process appends, so it goes on from there
        except OSError:
            return b""
        return read if size <= MOST else b"[%d bytes left out]\n" % (size - MOST) + read
