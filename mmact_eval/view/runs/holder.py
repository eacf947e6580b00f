"""Who holds a run folder, without touching its lock: a look must not keep a run from starting."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from mmact_eval.machine.regular_file import read_bytes
from mmact_eval.runs.files.named_process import NamedProcess, named_process

Held = Literal["held", "free", "unknown"]


def holder(folder: Path) -> tuple[Held, int | None]:
    """Whether a process holds the folder, and its number on this machine.

    Of other machines, and where files do not tell, nobody knows.
    """
    process = _named(folder)
    if process is None:
        return "free", None
    if not process.is_of_here:
        return "unknown", None
    if process.is_there() and _has_open(process.number, folder / "run.lock"):
        return "held", process.number
    return "free", None


def _named(folder: Path) -> NamedProcess | None:
    for name in ("run.holder", "run.lock"):
        try:
            text = read_bytes(folder / name, 4096).decode(errors="replace")
        except OSError:
            continue
        process = named_process(text)
        if process is not None:
            return process
    return None


def _has_open(pid: int, file: Path) -> bool:
    """Whether a process has a file open; yes if that cannot be seen, as of another user's."""
    folder = f"/proc/{pid}/fd"
    try:
        there = os.stat(file)
        numbers = os.listdir(folder)
    except OSError:
        return True
    for number in numbers:
        try:
            found = os.stat(f"{folder}/{number}")
        except OSError:
            continue
        if (found.st_dev, found.st_ino) == (there.st_dev, there.st_ino):
            return True
    return False
