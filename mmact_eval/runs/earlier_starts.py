"""What a run folder's sessions tell a later start: who made its results, and what the policy read and wrote."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmact_eval.runs.folder import read_sessions


def done_before(folder: Path, done: int, planned: int) -> str:
    """``4 of 4 episodes were done before, by `mmact-eval run …` (2026-01-31 12:00 UTC)``; "" if none was."""
    if not done:
        return ""
    text = f"{done} of {planned} episodes were done before"
    starts = [session for session in read_sessions(folder) if session.get("event") == "start"]
    if not starts:
        return f"{text}; {folder} does not say by which command."
    last = starts[-1]
    command = shlex.join(str(word) for word in last.get("command") or [])
    when = str(last.get("time", ""))[:16].replace("T", " ")
    others = f", the last of {len(starts)} starts" if len(starts) > 1 else ""
    return f"{text}, by `{command}` ({when} UTC{others})."


def files_read(folder: Path) -> dict[str, str]:
    """Files that the policy read while it acted, and the hash of each; of each start, what was noted last."""
    found: dict[str, str] = {}
    latest: dict[str, str] = {}
    for session in read_sessions(folder):
        if session.get("event") == "start":
            found, latest = found | latest, {}
        elif session.get("event") == "files":
            latest = dict(_map(session.get("read")))
    return found | latest


def wrote(folder: Path) -> dict[str, set[str]]:
    """What the policy itself has written: arguments of ``paths`` and files of ``code``, as far as any."""
    found: dict[str, set[str]] = {}
    for session in read_sessions(folder):
        if session.get("event") == "files":
            for part, names in _map(session.get("wrote")).items():
                found.setdefault(part, set()).update(names)
    return found


def _map(value: Any) -> Mapping[str, Any]:
    """What should be a map, if it is one: the file may have been edited."""
    return value if isinstance(value, Mapping) else {}
