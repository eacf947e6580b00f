"""Where results go when the file that they were written to is not there any more."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from mmact_eval.machine.whole_file import write_whole
from mmact_eval.runs.manifest import Manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write a run folder's ``manifest.json``.

    Raises:
        OSError: it could not be written.
    """
    write_whole(folder / "manifest.json", json.dumps(manifest.to_json(), indent=2) + "\n")


def rescue(path: Path, manifest: Manifest | None, lines: str) -> str:
    """Write a run's lines to a new file: in its folder if that can be, else among the temporary files.

    Args:
        path: the run folder, which may be gone.
        manifest: is written beside them if there is none; None if it is not known.
        lines: of ``episodes.jsonl``.

    Returns:
        Where they are and what to do, in words.
    """
    elsewhere = Path(tempfile.gettempdir()) / f"{path.name}-rescued-{os.getpid()}"
    for folder in (path, elsewhere):
        try:
            file = _write(folder, manifest, lines)
        except OSError:
            continue
        advice = "Give the same command again to resume."
        if folder != path:
            advice = f"Copy that folder to {path}, then give the same command again to resume."
        elif file.name != "episodes.jsonl":
            advice = f"Choose which of the two is to be {path / 'episodes.jsonl'}, then give the same command again."
        return f"All results were written to {file}. {advice}"
    return f"The results could not be written to {path} nor to {elsewhere}: they are lost."


def _write(folder: Path, manifest: Manifest | None, lines: str) -> Path:
    if manifest is not None and not (folder / "manifest.json").exists():
        write_manifest(folder, manifest)
    file = folder / "episodes.jsonl"
    if file.exists():
        file = folder / f"episodes.rescued-{os.getpid()}.jsonl"
    write_whole(file, lines)
    return file
