"""Whether a folder is a data set that mmact-eval has recorded, and still has what says how."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from mmact_eval.errors import UsageError
from mmact_eval.recording.layout import ACTION, INTENDED_ACTION
from mmact_eval.recording.wholeness import Row

OURS = "mmact_eval.json"
"""The file in ``meta/`` that says how a data set was recorded."""

PREFIX = "mmact_eval/"
"""Our columns in ``meta/episodes`` begin with it."""

NAMES = ("suite", "task", "init_state", "seed", "scene_hash", "final_hash", "start_actions")
"""Our columns."""

STAGE_ENDS = f"{PREFIX}stage_ends"
"""One more, of data sets whose episodes have stages: after how many steps of the episode each stage was over."""

_MAJOR_VERSION = "v3."


def read_about(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a data set consists of (``meta/info.json``) and how it was recorded (``meta/mmact_eval.json``).

    Raises:
        UsageError: there is none, or it is none of ours.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no data set {folder}: no such folder.")
    info = _read_json(folder / "meta" / "info.json")
    if info is None or "codebase_version" not in info:
        raise UsageError(f"{folder} is no LeRobot data set: it has no meta/info.json.")
    if not str(info["codebase_version"]).startswith(_MAJOR_VERSION):
        raise UsageError(f"{folder} is a LeRobot data set of version {info['codebase_version']}; this reads v3.0.")
    about = _read_json(folder / "meta" / OURS)
    if about is None or not isinstance(about.get("fingerprint"), dict):
        if INTENDED_ACTION in info.get("features", {}):
            raise _edited(folder, f"meta/{OURS} missing")
        raise UsageError(
            f"{folder} was not recorded by `mmact-eval record`: it has no meta/{OURS}, and nothing says which scenes "
            "its episodes took place in."
        )
    return info, about


def check_columns(folder: Path, info: Mapping[str, Any], rows: Sequence[Row], files: Sequence[Path]) -> None:
    """Refuse a data set whose `files` of frames or `rows` of episodes lack columns that are there when it is recorded.

    Raises:
        UsageError: names them.
        OSError, pyarrow.ArrowException: a file cannot be read.
    """
    named = {name for row in rows for name in row}
    dropped = [f"{PREFIX}{name}" for name in NAMES if f"{PREFIX}{name}" not in named]
    stored = {name for file in files for name in pq.read_schema(file).names}
    dropped += [name for name in (ACTION, INTENDED_ACTION) if name not in stored & set(info["features"])]
    if dropped:
        raise _edited(folder, f"{', '.join(dropped)} missing")


def _edited(folder: Path, what: str) -> UsageError:
    return UsageError(
        f"{folder} was recorded by `mmact-eval record` and edited by a tool that dropped our columns ({what}), so that "
        "nothing says any more which scenes its episodes took place in and what was meant. Use the data set as it was "
        "recorded; what is left out of a recording is asked for when it is made (--tasks, --init-states)."
    )


def _read_json(file: Path) -> dict[str, Any] | None:
    """A JSON object from a file, None if there is none.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {file}: {error}.") from error
    return found if isinstance(found, dict) else None
