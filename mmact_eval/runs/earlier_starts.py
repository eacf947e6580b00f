"""What a run folder's sessions tell a later start: who made its results, and what the policy read and wrote."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmact_eval.errors import RunFolderError
from mmact_eval.identity.made_policy import MadePolicy
from mmact_eval.runs import fingerprint as provenance
from mmact_eval.runs.made_with import MadeWith
from mmact_eval.runs.reading import read_manifest, read_sessions
from mmact_eval.wording import counted


def done_before(folder: Path, done: int, planned: int) -> str:
    """``4 of 4 episodes were done before, by `mmact-eval run …` (2026-01-31 12:00 UTC)``; "" if none was."""
    if not done:
        return ""
    text = f"{done} of {counted(planned, 'episode was', 'episodes were')} done before"
    starts = [session for session in read_sessions(folder) if session.event == "start"]
    if not starts:
        return f"{text}; {folder} does not say by which command."
    last = starts[-1]
    command = shlex.join(map(str, last.command))
    others = f", the last of {len(starts)} starts" if len(starts) > 1 else ""
    return f"{text}, by `{command}` ({last.time[:16].replace('T', ' ')} UTC{others})."


def files_read(folder: Path) -> dict[str, str]:
    """Files that the policy read while it acted, and the hash of each; of each start, what was noted last."""
    found: dict[str, str] = {}
    latest: dict[str, str] = {}
    for session in read_sessions(folder):
        if session.event == "start":
            found, latest = found | latest, {}
        elif session.event == "files":
            latest = session.read
    return found | latest


def wrote(folder: Path) -> dict[str, set[str]]:
    """What the policy itself has written: arguments of ``paths`` and files of ``code``, as far as any."""
    found: dict[str, set[str]] = {}
    for session in read_sessions(folder):
        if session.event == "files":
            for part, names in session.wrote.items():
                found.setdefault(part, set()).update(names)
    return found


def without_outputs(asked: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The fingerprint asked for; what an earlier start saw the policy write is no part of it, and stays as it is there.

    Raises:
        RunFolderError: the folder's manifest cannot be read.
    """
    policy = dict(asked["policy"])
    outputs = wrote(folder)
    if not outputs:
        return dict(asked)
    there, now = read_manifest(folder).made_with, MadeWith(asked)
    for part, before, found in (
        ("code", there.policy_code, now.policy_code),
        ("paths", there.policy_paths, now.policy_paths),
    ):
        names = outputs.get(part)
        if names is None:
            continue
        kept = {name: content for name, content in found.items() if name not in names}
        kept |= {name: before[name] for name in names if name in before}
        if kept:
            policy[part] = kept
        else:
            policy.pop(part, None)
    return {**asked, "policy": policy}


def check_files_read(folder: Path, made: MadePolicy) -> None:
    """What the policy read while it acted is part of it, too; the fingerprint was written before.

    Raises:
        RunFolderError: a file that it has read for the folder's episodes is another one now.
    """
    own = wrote(folder).get("code", ())
    before = {name: found for name, found in files_read(folder).items() if name not in own}
    changed = provenance.differences(before, made.read_again(before), "policy.code.")
    if changed:
        raise RunFolderError(provenance.made_differently(f"{folder} holds a run", changed))
