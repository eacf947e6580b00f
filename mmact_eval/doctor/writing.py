"""The part of `mmact-eval doctor` that writes: runs, caches and videos, as the user who asks."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mmact_eval.errors import UsageError
from mmact_eval.machine import user_folders
from mmact_eval.observers.video_encoder import EncodingFailed, encode
from mmact_eval.protocols import Check, Status

_GROUP = "Files"
_GIB = 2**30


def examine(folder: Path | None) -> Iterator[Check]:
    """Whether what a run writes can be written.

    Args:
        folder: where runs will be written, None for the current one.
    """
    yield _cache()
    try:
        folder = folder or Path.cwd()
    except FileNotFoundError:
        yield Check(_GROUP, "can write", "fail", "the current folder is gone", "change to a folder that exists")
        return
    free = shutil.disk_usage(folder).free / _GIB
    status: Status = "ok" if free >= 5 else "note" if free >= 0.5 else "fail"
    todo = "" if status == "ok" else "free some space, or give --out on another disk"
    yield Check(_GROUP, "free disk", status, f"{free:.1f} GiB in {folder}", todo)
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".mmact-eval-doctor-") as scratch:
            yield Check(_GROUP, "can write", "ok", str(folder))
            yield _video(Path(scratch) / "video.mp4")
    except OSError as error:
        todo = "change to a folder you can write to, or give runs another with --out"
        yield Check(_GROUP, "can write", "fail", f"{folder}: {error.strerror}", todo)


def _cache() -> Check:
    """Whether what is made once can be kept."""
    try:
        folder = user_folders.for_writing(user_folders.cache_folder())
    except UsageError as error:
        return Check(_GROUP, "caches", "fail", error.problem, error.remedy)
    if user_folders.is_temporary(folder):
        todo = f"set {user_folders.CACHE_VARIABLE} to a folder that stays, and nothing is made twice"
        return Check(_GROUP, "caches", "note", f"{folder}, which this machine may empty", todo)
    return Check(_GROUP, "caches", "ok", str(folder))


def _video(file: Path) -> Check:
    """Whether a video can be encoded and read back."""
    frames = [np.full((64, 64, 3), 30 * shade, np.uint8) for shade in range(8)]
    try:
        encode(file, frames, fps=10.0)
    except EncodingFailed as error:
        todo = "pip install --force-reinstall imageio-ffmpeg, or name an FFmpeg that works in IMAGEIO_FFMPEG_EXE"
        return Check(_GROUP, "videos", "fail", str(error), todo)
    return Check(_GROUP, "videos", "ok", "encoded and read back")
