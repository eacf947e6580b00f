"""Finds run folders and studies under some folders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmact_eval.runs.shard import is_part

_DEEPEST = 8
_MOST_FOLDERS = 50_000
_RUN_FILES = frozenset(("episodes.jsonl", "sessions.jsonl", "run.lock"))


@dataclass
class Found:
    """What is there.

    Attributes:
        runs: run folders.
        studies: folders of studies, whose arms are among the runs.
        problems: folder → why it could not be looked into.
        complete: whether everything was looked at.
    """

    runs: list[Path] = field(default_factory=list)
    studies: list[Path] = field(default_factory=list)
    problems: dict[Path, str] = field(default_factory=dict)
    complete: bool = True


def discover(roots: Sequence[Path]) -> Found:
    """Look for run folders and studies, without following links into other places.

    A folder is a run's if it has what only a run writes; of what lies in it only parts (``--shard``) are looked at.

    Args:
        roots: absolute folders; one that is a link is followed.
    """
    found = Found()
    seen: set[Path] = set()
    todo = [(root, 0) for root in reversed(roots)]
    while todo:
        folder, depth = todo.pop()
        if folder in seen:
            continue
        if len(seen) >= _MOST_FOLDERS:
            found.complete = False
            break
        seen.add(folder)
        try:
            with os.scandir(folder) as entries:
                there = {entry.name: entry for entry in entries}
        except FileNotFoundError as error:
            if depth == 0:
                found.problems[folder] = error.strerror or "it is not there"
            continue
        except OSError as error:
            found.problems[folder] = error.strerror or str(error)
            continue
        if "study.json" in there:
            found.studies.append(folder)
        elif _RUN_FILES & there.keys():
            found.runs.append(folder)
            there = {name: entry for name, entry in there.items() if is_part(name)}
        if depth < _DEEPEST:
            names = [name for name, entry in there.items() if not name.startswith(".") and _is_folder(entry)]
            todo += [(folder / name, depth + 1) for name in sorted(names, reverse=True)]
    return found


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False
