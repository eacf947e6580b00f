"""Text files that are there as a whole or not at all, whatever happens to the disk or the machine."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def write_whole(file: Path, text: str) -> None:
    """Write by way of a second file that is on the disk before it takes the file's place.

    A crash, a full disk or a power loss leaves what was there before.

    Args:
        file: in a folder that is made if it is not there.
        text: what is no text in UTF-8 (bytes in messages of the operating system) is spelt with backslashes.

    Raises:
        OSError: it could not be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    half = file.with_name(f".part-{file.name}")
    try:
        with open(half, "w", encoding="utf-8", errors="backslashreplace", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        half.replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            half.unlink()
        raise
    with contextlib.suppress(OSError):  # not every file system can bring a folder to the disk
        to_disk(file.parent)


def to_disk(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk.

    Raises:
        OSError: it could not be written, or the file system cannot do that with a folder.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
