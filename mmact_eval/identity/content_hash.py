"""A hash of the content of a file or a folder, remembered for what is large.

The scheme: every byte is hashed once. For content of `_REMEMBERED_FROM` bytes and more the hash is remembered under
the path, size, inode, mtime and ctime of every file, so that a checkpoint of 16 GB costs some 20 s at its first start
and nothing afterwards. No program can set a file's ctime, so weights that are overwritten by others of the same size
and date are noticed. What changed within the last two seconds is not remembered: it may change again within the
clock's tick. Folders beyond `_READ_UP_TO` (data sets) are not read: sizes and times stand for them, and the hash says
so.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmact_eval.errors import UsageError
from mmact_eval.machine import user_folders

_REMEMBERED_FROM = 16 * 2**20
_READ_UP_TO = 200 * 2**30

_SETTLED = 2.0
"""Seconds after which the next change of a file is sure to have another time stamp."""

_RESULTS = {"run.lock", "study.json"}
"""A folder with one of these files holds results, which may lie beside the weights and are no part of them."""


@dataclass(frozen=True)
class _Found:
    """A file: its name in the folder, its path, and what `os.stat` says of it."""

    name: str
    path: str
    size: int
    stamp: tuple[int, ...]


def content_hash(path: Path) -> str:
    """A short hash of a file, or of the names and contents of the files in a folder; "" if there is no content.

    Links are followed. Hidden files, compiled Python, run folders and what is no regular file do not count.

    Raises:
        UsageError: a file cannot be read.
    """
    path = Path(os.path.abspath(path))
    try:
        found = sorted(_files(path), key=lambda file: file.name)
        if not found:
            return ""
        if sum(file.size for file in found) > _READ_UP_TO:
            return f"sizes and times {_digest(*((file.name, file.size, file.stamp) for file in found))}"
        return _remembered(path, found)
    except OSError as error:
        raise UsageError(
            f"cannot read {error.filename or path}, which the policy is made of: {error.strerror}"
        ) from error


def _files(path: Path) -> Iterator[_Found]:
    if os.path.isfile(path):
        yield _found("", str(path))
    if not os.path.isdir(path):  # or no path at all
        return
    seen = set()
    for folder, folders, files in os.walk(path, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen or _RESULTS.intersection(files):
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith(".") and name != "__pycache__"]
        for name in files:
            file = os.path.join(folder, name)
            if not name.startswith(".") and os.path.isfile(file):
                yield _found(os.path.relpath(file, path), file)


def _found(name: str, path: str) -> _Found:
    stat = os.stat(path)
    return _Found(name, path, stat.st_size, (stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns))


def _remembered(path: Path, found: list[_Found]) -> str:
    """The hash of these files, from the cache if it knows them."""
    if sum(file.size for file in found) < _REMEMBERED_FROM:
        return _read(found)
    stamps = _digest(str(path), *((file.name, file.size, file.stamp) for file in found))
    try:
        known = user_folders.cache_folder() / "hashes" / stamps
    except UsageError:  # without a cache it is slower, and right
        return _read(found)
    with contextlib.suppress(OSError):
        return known.read_text(encoding="ascii")
    result = _read(found)
    newest = max(max(file.stamp[-2:]) for file in found) / 1e9
    if time.time() - newest > _SETTLED:
        with contextlib.suppress(OSError):
            _write(known, result)
    return result


def _read(found: list[_Found]) -> str:
    total = hashlib.blake2b(digest_size=8)
    for file in found:
        one = hashlib.blake2b(digest_size=16)
        with open(file.path, "rb") as stream:
            while block := stream.read(2**20):
                one.update(block)
        total.update(repr(file.name).encode() + one.digest())
    return total.hexdigest()


def _digest(*parts: object) -> str:
    return hashlib.blake2b(repr(parts).encode(), digest_size=8).hexdigest()


def _write(file: Path, text: str) -> None:
    """By way of a second file: two runs may start at once."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False, encoding="ascii") as stream:
        stream.write(text)
    os.replace(stream.name, file)
