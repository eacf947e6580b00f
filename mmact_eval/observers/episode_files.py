"""Where the files of an episode lie: videos, transcripts, disturbances, demonstrations. No two share a place."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from mmact_eval.types import Episode

_LONGEST = 100
"""Bytes of a task's folder name: file systems take 255 for a name, encrypted ones 143."""

_HASH = 8
_UNSAFE = re.compile(r"[/\x00-\x1f\x7f]|^\.")


def episode_stem(episode: Episode) -> Path:
    """``<task>/init03-seed0``, without a suffix, to be put below a folder for one kind of file of one run.

    A task name that is too long for a file system, or holds what a file name cannot, is cut or changed and gets a hash
    of the whole name: tasks that begin alike stay apart. Other names, in any script, are left as they are.
    """
    return Path(_folder(episode.task)) / f"init{episode.init_state:02d}-seed{episode.seed}"


def _folder(task: str) -> str:
    whole = task.encode("utf-8", "backslashreplace")
    safe = _UNSAFE.sub("_", whole.decode()) or "_"
    if safe == task and len(whole) <= _LONGEST:
        return task
    start = safe.encode()[: _LONGEST - _HASH - 1].decode(errors="ignore")  # never half a letter
    return f"{start}-{hashlib.blake2b(whole, digest_size=_HASH // 2).hexdigest()}"
