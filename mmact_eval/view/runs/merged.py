"""What a run that `mmact-eval merge` made tells of where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmact_eval.runs.files.session import Session


def merged_from(sessions: Sequence[Session]) -> dict[str, Any] | None:
    """Of what a run was put together by `mmact-eval merge`, JSON-ready; None if it was not.

    Returns:
        ``count``: how many runs; ``runs``: their folders as typed; ``parts``: whether they were parts of one.
    """
    number = next((number for number in reversed(range(len(sessions))) if sessions[number].event == "merge"), None)
    if number is None:
        return None
    told = (sessions[number].model_extra or {}).get("merged")
    folders = [str(folder) for folder in told] if isinstance(told, list) else []
    shards = {session.shard for session in sessions[:number] if session.event == "start"}
    return {"count": len(folders), "runs": folders, "parts": None not in shards and len(shards) == len(folders)}
