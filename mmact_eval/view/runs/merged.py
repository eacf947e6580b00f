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
    last = next((session for session in reversed(sessions) if session.event == "merge"), None)
    if last is None:
        return None
    told = (last.model_extra or {}).get("merged")
    folders = [str(folder) for folder in told] if isinstance(told, list) else []
    starts = [session for session in sessions if session.event == "start"]
    return {
        "count": len(folders),
        "runs": folders,
        "parts": bool(starts) and all(session.shard is not None for session in starts),
    }
