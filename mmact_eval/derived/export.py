"""A run without what only its execution had: small enough to publish, and still a run folder.

    manifest.json    as it is
    sessions.jsonl   as it is, without the hosts' names
    episodes.jsonl   of each episode its identity and what is reproducible (see `EpisodeResult`)

So everything that reads run folders reads it: it is reported, compared and rechecked like the run. Latencies, times,
videos, transcripts and logs stay behind; reports that show them are made from the run itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mmact_eval.errors import UsageError
from mmact_eval.runs.files.session import Session
from mmact_eval.runs.reading import read_run
from mmact_eval.types import EpisodeResult

_OF_THE_EXECUTION = {"attempts", "seconds", "env_seconds", "wait_seconds", "latencies", "artifacts"}


def export(run_folder: Path, out: Path) -> list[Path]:
    """Write a run's manifest, sessions and episodes into another folder; other files there are left alone.

    Returns:
        The files.

    Raises:
        RunFolderError: `run_folder` is no run folder, cannot be read or contradicts itself.
        UsageError: `out` holds a run, or cannot be written.
    """
    run = read_run(run_folder)
    if (out / "manifest.json").exists() or (out / "episodes.jsonl").exists():
        raise UsageError(f"{out} holds a run already. Choose another folder, or delete it there first.")
    files = {
        "manifest.json": json.dumps(run.manifest.to_json(), indent=2) + "\n",
        "sessions.jsonl": _lines(_without_host(session) for session in run.sessions),
        "episodes.jsonl": _lines(_reproducible(result) for result in run.results),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (out / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write to {out}: {error.strerror}. Choose another folder with --out.") from error
    return [out / name for name in files]


def _reproducible(result: EpisodeResult) -> dict[str, Any]:
    """The line of an episode, without empty fields, which is what they are when they are missing."""
    return {name: value for name, value in result.to_json().items() if _is_kept(name, value)}


def _is_kept(name: str, value: Any) -> bool:
    return name not in _OF_THE_EXECUTION and value not in ("", ())


def _without_host(session: Session) -> dict[str, Any]:
    machine = session.machine.model_dump(exclude_unset=True, exclude={"host"})
    return session.to_json() | ({"machine": machine} if "machine" in session.model_fields_set else {})


def _lines(records: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(record, separators=(",", ":")) + "\n" for record in records)
