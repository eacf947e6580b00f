"""Keeps the cache of compiled models within its size, tells what is in it, and clears it."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mmact_eval.envs.libero.compiled import pieces, store
from mmact_eval.envs.libero.compiled.store import Layout
from mmact_eval.wording import counted


@dataclass(frozen=True)
class Contents:
    """What is in the cache.

    Attributes:
        models: how many compiled models.
        size: bytes on the disk.
    """

    models: int
    size: int

    def __str__(self) -> str:
        return f"{counted(self.models, 'compiled model')}, {self.size / 2**30:.1f} GiB"


def contents(layout: Layout) -> Contents:
    """What is in the cache now."""
    return Contents(len(_listings(layout)), sum(_size(file) for file in _files(layout.folder)))


def shrink(layout: Layout, limit: int) -> None:
    """Remove the models that were of no use for longest, until the rest is within a size, and what nobody needs.

    Args:
        layout: of the cache.
        limit: bytes on the disk.
    """
    listings = _listings(layout)
    needed = {listing: _needed(layout, listing) for listing in listings}
    users = Counter(file for files in needed.values() for file in files)
    excess = sum(_size(file) for file in _files(layout.folder)) - limit
    excess -= sum(_drop(file) for file in _files(layout.folder) if file not in users and not _is_young(file))
    for listing in listings[:-1]:  # never the newest: it may be larger than the limit, and is about to be read
        if excess <= 0:
            return
        for file in needed[listing]:
            users[file] -= 1
            if not users[file] and (file.parent != layout.shared or not _is_young(file)):
                excess -= _drop(file)


def clear(layout: Layout) -> Contents:
    """Remove everything; processes that use a model keep it.

    Returns:
        What was removed.

    Raises:
        OSError: something could not be removed.
    """
    found = contents(layout)
    if layout.folder.exists():
        shutil.rmtree(layout.folder)
    return found


def _listings(layout: Layout) -> list[Path]:
    """The entries, the one that was of use last at the end."""
    return sorted(layout.folder.glob("models/*.json"), key=_used)


def _needed(layout: Layout, listing: Path) -> list[Path]:
    """An entry's files, its list first: without that it is no entry any more."""
    shared: list[str] = []
    with suppress(OSError, ValueError, KeyError, TypeError):
        shared = store.names_in(listing)
    return [listing, layout.model(listing.stem), *(layout.shared / name for name in dict.fromkeys(shared))]


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.glob("*/*") if path.parent.name != "locks")


def _used(file: Path) -> float:
    with suppress(OSError):
        return file.stat().st_mtime
    return 0.0


def _is_young(file: Path) -> bool:
    with suppress(OSError):
        return pieces.is_young(file)
    return True


def _size(file: Path) -> int:
    """Bytes on the disk: of a sparse file, without what is left out."""
    with suppress(OSError):
        return file.stat().st_blocks * 512
    return 0


def _drop(file: Path) -> int:
    """Remove a file, if that can be.

    Returns:
        The bytes that are free now.
    """
    size = _size(file)
    with suppress(OSError):
        file.unlink()
        return size
    return 0
