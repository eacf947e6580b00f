"""Studies put together arm by arm: parts of one, or some of its arms from one machine and some from another."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from mmact_eval.derived.building import whole_folder
from mmact_eval.derived.merge import Merged, merge_into, require_outside
from mmact_eval.derived.sources import STUDY, opened, parts_of
from mmact_eval.errors import RunFolderError, UsageError
from mmact_eval.machine.whole_file import write_whole
from mmact_eval.runs.fingerprint import differences
from mmact_eval.runs.made_with import as_map


def are_studies(folders: Sequence[Path]) -> bool:
    """Whether these are folders of studies, or of parts of one.

    Raises:
        UsageError: some are and some are not.
    """
    found = parts_of(folders)
    studies = [folder for folder in found if (folder / STUDY).exists()]
    if studies and len(studies) < len(found):
        other = next(folder for folder in found if folder not in studies)
        raise UsageError(f"{studies[0]} is a study and {other} is none; they cannot be one.")
    return bool(studies)


def merge_studies(
    folders: Sequence[Path], out: Path, allow_missing: bool = False, allow_renderer: bool = False
) -> dict[str, Merged]:
    """Put studies together, each arm as `mmact_eval.derived.merge.merge` does with runs.

    Args:
        folders: of studies, or with the parts of one in them.
        out, allow_missing, allow_renderer: see there. An arm that was stopped early lacks episodes on purpose.

    Returns:
        Arm → what was merged.

    Raises:
        UsageError, RunFolderError: see there; or they are not of the same study.
    """
    found = parts_of(folders)
    require_outside(out, found)
    contents = [_read(folder) for folder in found]
    for folder, content in zip(found[1:], contents[1:], strict=True):
        one_study, other = ({key: one.get(key) for key in ("study", "base")} for one in (contents[0], content))
        changed = differences(one_study, other)
        if changed:
            lines = "\n".join(f"  - {line}" for line in changed)
            raise RunFolderError(f"{found[0]} and {folder} hold different studies (the first → the second):\n{lines}")
    arms: dict[str, Any] = {}
    for content in contents:
        for name, arm in as_map(content.get("arms")).items():
            arms.setdefault(name, arm)
    stopped = {name: why for content in contents for name, why in as_map(content.get("stopped")).items()}
    merged: dict[str, Merged] = {}
    with ExitStack() as held, whole_folder(out) as half:
        for arm in arms:
            there = [folder / arm for folder in found if (folder / arm / "manifest.json").exists()]
            if there:
                (half / arm).mkdir()
                lacks = allow_missing or arm in stopped
                try:
                    merged[arm] = merge_into(half / arm, out / arm, opened(there, held), lacks, allow_renderer)
                except RunFolderError as error:
                    raise RunFolderError(f"arm {arm}: {error}") from error
        if not merged:
            raise RunFolderError(f"there is nothing to be merged: no arm of {found[0]} has been run.")
        write_whole(half / STUDY, json.dumps({**contents[0], "arms": arms, "stopped": stopped}, indent=2) + "\n")
    return merged


def _read(folder: Path) -> dict[str, Any]:
    file = folder / STUDY
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunFolderError(f"cannot read {file}: {error.strerror}.") from error
    except ValueError as error:
        raise RunFolderError(f"{file} is damaged or empty.") from error
    return found if isinstance(found, dict) else {}
