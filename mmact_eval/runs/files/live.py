"""``live.json``: how a run that goes on is doing, for whoever watches. The driver replaces it every few seconds.

No result, report or resumption depends on it; it is not exported, and it may be deleted at any time. A file that is not
replaced any more says how things were when its process was last able to write.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from mmact_eval.machine.regular_file import read_bytes
from mmact_eval.runs.files.session import Lenient
from mmact_eval.runs.manifest import Text

NAME = "live.json"

EVERY = 3.0
"""Seconds between two writings."""

_LARGEST = 1 << 20
"""Bytes that are read; no run writes as many."""


class Worked(Lenient):
    """What was done in the last minutes.

    Attributes:
        seconds: how long that was, standstills of the process left out.
        episodes, queries: of this run.
    """

    seconds: float = 0.0
    episodes: int = 0
    queries: int = 0


class LiveProcess(Lenient):
    """The driver, in which policies are, or a process that it has started on its machine.

    Attributes:
        kind: ``driver``, ``worker``, …; "" if nobody knows.
        pid: its number.
        memory_mib: resident, with what it has started.
        load: processors that it keeps busy, 1.0 for one; None at its first look.
    """

    kind: Text = ""
    pid: int | None = None
    memory_mib: float | None = None
    load: float | None = None


class Live(Lenient):
    """The file.

    Attributes:
        state: ``running``; ``finished``, ``stopped`` or ``failed`` once it is over.
        why: for the last two, a sentence.
        host, pid: of the driver.
        started, time: of this start and of this writing, ISO 8601.
        every: seconds until the next.
        planned, done: episodes, all and those that are over.
        recent: what the last minutes brought.
        seconds_left: until the run is done at this pace, None if nobody knows.
        machine_load: runnable processes on the machine, a minute's average.
        cores, memory_left_gib: of the machine.
        processes: of the run; runs over the same workers have the same.
        engine: what it says about itself so far (see `mmact_eval.engine.options.EngineReport`).
    """

    state: Text = ""
    why: Text = ""
    host: Text = ""
    pid: int | None = None
    started: Text = ""
    time: Text = ""
    every: float = EVERY
    planned: int | None = None
    done: int | None = None
    recent: Worked = Worked()
    seconds_left: float | None = None
    machine_load: float | None = None
    cores: int | None = None
    memory_left_gib: float | None = None
    processes: list[LiveProcess] = Field(default_factory=list)
    engine: dict[str, Any] = Field(default_factory=dict)


def read_live(folder: Path) -> Live | None:
    """The file of a run folder; None if there is none that can be read."""
    try:
        return Live.model_validate(json.loads(read_bytes(folder / NAME, _LARGEST)))
    except (OSError, ValueError, RecursionError, ValidationError):
        return None


def write_live(folder: Path, live: Live) -> None:
    """Replace the file in a folder that is there. What cannot be written is not: the run goes on."""
    half = folder / f".part-{NAME}"
    with contextlib.suppress(OSError, ValueError):
        try:
            half.write_text(json.dumps(live.model_dump()), encoding="utf-8", errors="backslashreplace")
            os.replace(half, folder / NAME)
        except BaseException:
            with contextlib.suppress(OSError):
                half.unlink()
            raise
