"""Files that are named by what they contain, so that several models share them."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

_BLOCK = 2**20


class Damaged(Exception):
    """A file of the cache is missing, or is not what was written.

    Attributes:
        file: which, None if that is known from elsewhere.
    """

    def __init__(self, problem: str, file: Path | None = None) -> None:
        super().__init__(f"{file}: {problem}" if file else problem)
        self.file = file


@contextmanager
def appearing(file: Path) -> Iterator[IO[bytes]]:
    """A stream to a file that is there as a whole, on the disk, or not at all.

    Raises:
        OSError: it could not be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=file.parent, prefix=".part-", delete=False) as stream:
        try:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
            os.chmod(stream.name, 0o644)
            os.replace(stream.name, file)
        except BaseException:
            with suppress(OSError):
                os.unlink(stream.name)
            raise


def write(folder: Path, parts: Iterable[Bytes]) -> tuple[str, int]:
    """Keep some bytes, if they are not kept already.

    Returns:
        The name of their file, and their checksum.

    Raises:
        OSError: they could not be written.
    """
    digest, crc, size = hashlib.sha256(), 0, 0
    parts = list(parts)
    for part in parts:
        digest.update(part.data)
        crc = zlib.crc32(part.data, crc)
        size += part.size
    name = digest.hexdigest()[:32]
    file = folder / name
    with suppress(OSError):
        if file.stat().st_size == size:
            os.utime(file)  # see `upkeep`: what is young is nobody's garbage
            return name, crc
    with appearing(file) as stream:
        for part in parts:
            stream.write(part.data)
    return name, crc


def read_into(file: Path, parts: Iterable[Bytes], crc: int) -> None:
    """Read a file into memory that is there already.

    Raises:
        Damaged: it is missing, or its size or checksum is wrong.
    """
    found = 0
    try:
        with open(file, "rb", buffering=0) as stream:
            for part in parts:
                if stream.readinto(part.data) != part.size:
                    raise Damaged("is cut short", file)
                found = zlib.crc32(part.data, found)
            if stream.read(1):
                raise Damaged("is too long", file)
    except OSError as error:
        raise Damaged(str(error.strerror), file) from error
    if found != crc:
        raise Damaged("has another checksum than when it was written", file)


def check(file: Path, size: int, crc: int) -> None:
    """See that a file is as it was written, without keeping it in memory.

    Raises:
        Damaged: it is not.
    """
    found, read = 0, 0
    try:
        with open(file, "rb", buffering=0) as stream:
            while block := stream.read(_BLOCK):
                found, read = zlib.crc32(block, found), read + len(block)
    except OSError as error:
        raise Damaged(str(error.strerror), file) from error
    if (read, found) != (size, crc):
        raise Damaged("is not what was written", file)


def write_sparse(file: Path, content: Bytes) -> list[tuple[int, int, int]]:
    """Write a file, leaving out what is zero, which most file systems then need no room for.

    Returns:
        The stretches that are not zero: where they begin, their length and checksum.

    Raises:
        OSError: it could not be written.
    """
    stretches = []
    with appearing(file) as stream:
        for start, stop in _not_zero(content):
            stream.seek(start)
            stream.write(content[start:stop].data)
            stretches.append((start, stop - start, zlib.crc32(content[start:stop].data)))
        stream.truncate(content.size)
    return stretches


def check_sparse(file: Path, size: int, stretches: Iterable[tuple[int, int, int]]) -> None:
    """See that what `write_sparse` wrote is there, and zero between.

    Raises:
        Damaged: it is not.
    """
    try:
        with open(file, "rb", buffering=0) as stream:
            if os.fstat(stream.fileno()).st_size != size:
                raise Damaged("has another size than when it was written", file)
            end = 0
            for start, length, crc in [*stretches, (size, 0, 0)]:
                stream.seek(start)
                if zlib.crc32(stream.read(length)) != crc or not _is_zero(stream, end, start):
                    raise Damaged("has another checksum than when it was written", file)
                end = start + length
    except OSError as error:
        raise Damaged(str(error.strerror), file) from error


def _is_zero(stream: FileIO, start: int, stop: int) -> bool:
    """Whether a part of a file is zero: what was never written is, and need not be read."""
    while start < stop:
        try:
            start = os.lseek(stream.fileno(), start, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but holes up to the end
                return True
            raise
        if start < stop:
            stream.seek(start)
            block = stream.read(min(_BLOCK, stop - start))
            if block.count(0) != len(block):
                return False
            start += len(block)
    return True


def _not_zero(content: Bytes, block: int = 65536) -> Iterator[tuple[int, int]]:
    """Stretches of whole blocks that are not all zero."""
    starts = np.arange(0, content.size, block)
    full = np.array([bool(content[start : start + block].any()) for start in starts])
    edges = np.flatnonzero(np.diff(np.concatenate([[False], full, [False]]).astype(np.int8)))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        yield int(first) * block, min(int(last) * block, content.size)


def is_young(file: Path, seconds: float = 600.0) -> bool:
    """Whether a file was written, or wanted, so lately that whoever did may not be done."""
    return time.time() - file.stat().st_mtime < seconds
