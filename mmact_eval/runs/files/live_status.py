"""Keeps ``live.json`` up to date while an engine runs, whichever it is."""

from __future__ import annotations

import contextlib
import datetime
import os
import platform
import signal
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from mmact_eval.engine.interface import Engine
from mmact_eval.engine.limits.running_clock import running_seconds
from mmact_eval.errors import Stopped
from mmact_eval.machine import processes
from mmact_eval.runs.files.live import EVERY, Live, LiveProcess, Worked, write_live

_RECENT = 300.0
"""Seconds that count as the last minutes."""

_ENOUGH = 10
"""Episodes in the last minutes from which on these tell the pace; else all since the start do."""


class Counts(Protocol):
    """What tells how far a run is; see `mmact_eval.runs.progress.ArmProgress`."""

    done: int
    advanced: int


class LiveStatus:
    """A thread that writes how each of some runs is doing. Use as a context manager around `Engine.run`."""

    def __init__(self, runs: Mapping[Path, tuple[int, Counts] | None], engine: Engine, every: float = EVERY) -> None:
        """
        Args:
            runs: of each of the engine's arms, in its order, by run folder: the episodes planned and those done; None
                if it has nothing to do, and so nothing to tell.
            engine: runs them.
            every: seconds between two writings.
        """
        self._engine = engine
        self._every = every
        self._shared = _Shared()
        self._runs = {
            place: _OneRun(folder, *told) for place, (folder, told) in enumerate(runs.items()) if told is not None
        }
        self._reports: list[dict[str, Any]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write_again_and_again, name="live status", daemon=True)

    def __enter__(self) -> LiveStatus:
        if self._runs:
            self.write()
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._over.set()
        if not self._runs:
            return
        with contextlib.suppress(RuntimeError):
            self._thread.join(10.0)
        problems: Sequence[BaseException | None] = () if value is not None else self._engine.problems
        for place, run in self._runs.items():
            run.end(value if value is not None else problems[place])
        self.write()

    def _write_again_and_again(self) -> None:
        while not self._over.wait(self._every):
            self.write()

    def write(self) -> None:
        """Replace the files now."""
        shared = self._shared.now()
        with contextlib.suppress(Exception):  # it is at work, or somebody else's and cannot be asked now
            self._reports = [asdict(report) for report in self._engine.reports]
        for place, run in self._runs.items():
            report = self._reports[place] if place < len(self._reports) else {}
            run.write(report, {**shared, "every": self._every})


class _OneRun:
    """What is told of a run."""

    def __init__(self, folder: Path, planned: int, counts: Counts) -> None:
        self._folder, self._planned, self._counts = folder, planned, counts
        self._began = running_seconds()
        self._started = _now()
        self._samples: deque[tuple[float, int, int]] = deque()
        self._state, self._why = "running", ""

    def end(self, problem: BaseException | None) -> None:
        """The engine has ended, or was left because of an exception."""
        if problem is None:
            done = self._counts.done >= self._planned
            self._state, self._why = ("finished", "") if done else ("stopped", "the rest was not run")
        elif isinstance(problem, KeyboardInterrupt):
            self._state, self._why = "stopped", "by Ctrl-C"
        elif isinstance(problem, Stopped):
            name = signal.Signals(problem.number).name
            self._state, self._why = "stopped", f"by {name}, as batch systems pre-empt"
        else:
            self._state, self._why = "failed", str(problem) or type(problem).__name__

    def write(self, report: Mapping[str, Any], shared: Mapping[str, Any]) -> None:
        """Replace the run's file."""
        recent = self._recent(int(report.get("queries") or 0))
        live = Live(
            state=self._state, why=self._why, started=self._started, planned=self._planned, done=self._counts.done,
            recent=recent, seconds_left=self._seconds_left(recent), engine=dict(report), **shared,
        )  # fmt: skip
        write_live(self._folder, live)

    def _recent(self, queries: int) -> Worked:
        now = running_seconds()
        self._samples.append((now, self._counts.advanced, queries))
        while len(self._samples) > 2 and self._samples[1][0] <= now - _RECENT:
            self._samples.popleft()
        then, advanced, asked = self._samples[0]
        return Worked(seconds=now - then, episodes=self._counts.advanced - advanced, queries=queries - asked)

    def _seconds_left(self, recent: Worked) -> float | None:
        left = self._planned - self._counts.done
        if left <= 0:
            return 0.0
        seconds, episodes = running_seconds() - self._began, self._counts.advanced
        if recent.episodes >= _ENOUGH:
            seconds, episodes = recent.seconds, recent.episodes
        return seconds / episodes * left if episodes else None


class _Shared:
    """What is the same for all runs of a process."""

    def __init__(self) -> None:
        self._looked_at = running_seconds()
        self._cpu: dict[int, float] = {}

    def now(self) -> dict[str, Any]:
        """The fields of `Live`."""
        now = running_seconds()
        passed, self._looked_at = now - self._looked_at, now
        own = processes.own()
        found = [LiveProcess(kind="driver", **self._figures(own, passed))] if own else []
        found += [LiveProcess(kind=one.kind, **self._figures(one, passed)) for one in processes.started()]
        self._cpu = {pid: seconds for pid, seconds in self._cpu.items() if pid in {one.pid for one in found}}
        left = processes.memory_left_gib()
        return {
            "host": platform.node(), "pid": os.getpid(), "time": _now(), "machine_load": _load(),
            "cores": os.cpu_count(), "memory_left_gib": None if left is None else round(left, 2), "processes": found,
        }  # fmt: skip

    def _figures(self, process: processes.Process, passed: float) -> dict[str, Any]:
        before = self._cpu.get(process.pid)
        self._cpu[process.pid] = process.cpu_seconds
        known = before is not None and passed > 0.0
        load = max(0.0, process.cpu_seconds - (before or 0.0)) / passed if known else None
        return {
            "pid": process.pid,
            "memory_mib": round(process.memory_mib, 1),
            "load": None if load is None else round(load, 2),
        }


def _load() -> float | None:
    try:
        return round(os.getloadavg()[0], 2)
    except OSError:
        return None


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
