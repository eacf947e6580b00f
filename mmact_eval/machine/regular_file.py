"""Files of folders that anybody may have filled: no pipe keeps the reader waiting, no file fills the memory."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

Signature = tuple[int, int, int]


def signature(file: Path) -> Signature | None:
    """Node, size and time of the last change; None if there is no such file or it cannot be asked."""
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def read_bytes(file: Path, most: int) -> bytes:
    """The first bytes of a file.

    Raises:
        OSError: it cannot be read, or is a pipe, a device or a folder.
    """
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(file))
        return stream.read(most)


def require_regular(file: Path, most: int) -> None:
    """A file that others will read as a whole.

    Raises:
        OSError: it is no regular file, cannot be asked, or is larger than `most` bytes.
    """
    found = os.stat(file)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file", str(file))
    if found.st_size > most:
        raise OSError(errno.EFBIG, f"it has {found.st_size} bytes, more than a run writes", str(file))
