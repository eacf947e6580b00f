"""Temporary folders that are named after their process, so that those of processes that were killed can be found."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import tempfile
from pathlib import Path

_PREFIX = "mmact-eval-ray"


def own_folder() -> Path:
    """A new folder of this process's. Those of this user's processes that are no more are removed."""
    where = f"{_PREFIX}-{_processes()}"
    for folder in Path(tempfile.gettempdir()).glob(f"{where}-*-*"):
        owner = folder.name.removeprefix(f"{where}-").partition("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists() and _is_ours(folder):
            shutil.rmtree(folder, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{where}-{os.getpid()}-"))


def _processes() -> str:
    """A name for what process numbers are unique in: several machines, or containers, may share the folder."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return hashlib.blake2b(f"{platform.node()} {space}".encode(), digest_size=3).hexdigest()


def _is_ours(folder: Path) -> bool:
    try:
        return folder.stat().st_uid == os.getuid()
    except OSError:
        return False
