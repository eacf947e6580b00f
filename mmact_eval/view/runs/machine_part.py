"""What a record tells of machines, workers and pace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmact_eval.runs.files.live import Live, LiveProcess
from mmact_eval.runs.files.session import Session

_MOST_PROCESSES = 64


def machine_part(sessions: Sequence[Session], live: Live | None, state: str) -> dict[str, Any]:
    """Where a run is or was, with how many workers, and, while it runs, how fast."""
    starts = [session for session in sessions if session.event == "start"]
    last = starts[-1] if starts else None
    peaks = [peak for session in sessions for peak in session.peak_memory_mib]
    found: dict[str, Any] = {
        "host": (live.host if live else "") or (last.machine.host if last else ""),
        "starts": len(starts),
        "started": (live.started if live else "") or (last.time if last else ""),
        "engine": str(last.options.get("engine") or "") if last else "",
        "workers": last.workers if last else None,
        "cpu": last.machine.cpu if last else "",
        "cores": (live.cores if live else None) or (last.machine.cores if last else None),
        "memory_gib": last.machine.memory_gib if last else None,
        "gpus": list(last.machine.gpus)[:16] if last else [],
        "peak_mib": max(peaks) if peaks else None,
    }
    if live is not None and state in ("running", "silent"):
        found["now"] = _now(live)
    return {name: value for name, value in found.items() if value not in (None, "", [])}


def _now(live: Live) -> dict[str, Any]:
    recent = live.recent
    known = recent.seconds >= 1.0
    asked = live.engine
    batches, queries = _number(asked.get("batches")), _number(asked.get("queries"))
    processes = live.processes[:_MOST_PROCESSES]
    return {
        "episodes_an_hour": 3600.0 * recent.episodes / recent.seconds if known else None,
        "queries_a_second": recent.queries / recent.seconds if known else None,
        "over_seconds": recent.seconds,
        "seconds_left": live.seconds_left,
        "machine_load": live.machine_load,
        "memory_left_gib": live.memory_left_gib,
        "processes": [_process(process) for process in processes],
        "more_processes": max(0, len(live.processes) - len(processes)),
        "mean_batch": queries / batches if batches and queries else None,
        "restarts": _number(asked.get("restarts")) or 0,
        "replicas": _replicas(asked),
    }


def _process(process: LiveProcess) -> dict[str, Any]:
    return {"kind": process.kind or "process", "memory_mib": process.memory_mib, "load": process.load}


def _replicas(engine: dict[str, Any]) -> int | None:
    """How many copies of the policy answer, if the engine says so."""
    found = engine.get("replicas")
    return len(found) if isinstance(found, list | dict) else found if isinstance(found, int) else None


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
