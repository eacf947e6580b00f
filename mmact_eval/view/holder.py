"""Who holds a run folder, without touching its lock: a look must not keep a run from starting."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import Literal

from mmact_eval.machine.regular_file import read_bytes

Held = Literal["held", "free", "unknown"]


def holder(folder: Path) -> tuple[Held, int | None]:
    """Whether a process holds the folder, and its number on this machine.

    Of other machines, and where files do not tell, nobody knows.
    """
    said = _said(folder)
    if said is None:
        return "free", None
    pid, host = said
    if host != platform.node():
        return "unknown", None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return "free", None
    except (OSError, OverflowError):
        pass  # somebody else's
    return ("held", pid) if _has_open(pid, folder / "run.lock") else ("free", None)


def _said(folder: Path) -> tuple[int, str] | None:
    for name in ("run.holder", "run.lock"):
        try:
            text = read_bytes(folder / name, 4096).decode(errors="replace")
        except OSError:
            continue
        found = re.match(r"process (\d{1,10}) on (\S+)", text)
        if found is not None:
            return int(found[1]), found[2]
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
