"""Temporary folders that are named after their process, so that those of processes that were killed can be found."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import tempfile
from pathlib import Path

_PREFIX = "mmact-ray"

_SHORT = 8
"""Characters of a folder below which Ray's sockets have room: their paths may have 107, of which Ray takes most."""


def own_folder(for_sockets: bool = False) -> Path:
    """A new folder of this process's. Those of this user's processes that are no more are removed.

    Args:
        for_sockets: whether its path must be short.
    """
    where = f"{_PREFIX}-{_processes()}"
    parent = Path(tempfile.gettempdir())
    if for_sockets and len(str(parent)) > _SHORT:
        parent = Path("/tmp")
    for folder in parent.glob(f"{where}-*-*"):
        owner = folder.name.removeprefix(f"{where}-").partition("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists() and _is_ours(folder):
            shutil.rmtree(folder, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{where}-{os.getpid()}-", dir=parent))


def _processes() -> str:
    """A name for what process numbers are unique in: several machines, or containers, may share the folder."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return hashlib.blake2b(f"{platform.node()} {space}".encode(), digest_size=2).hexdigest()


def _is_ours(folder: Path) -> bool:
    try:
        return folder.stat().st_uid == os.getuid()
    except OSError:
        return False
