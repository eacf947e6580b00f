"""One run folder, looked at again and again: what is told of it, as plain data."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mmact_eval.errors import RunFolderError
from mmact_eval.machine.regular_file import Signature, require_regular, signature
from mmact_eval.results.facts import RunFacts
from mmact_eval.runs.files.live import NAME, Live, read_live
from mmact_eval.runs.files.session import Session
from mmact_eval.runs.manifest import Manifest, ShardPart
from mmact_eval.runs.reading import read_manifest, read_sessions
from mmact_eval.runs.shard import WholePlan
from mmact_eval.view.runs.counts import EpisodeCounts, Tally
from mmact_eval.view.runs.figures import figures
from mmact_eval.view.runs.holder import Held, holder
from mmact_eval.view.runs.machine_part import machine_part
from mmact_eval.view.runs.merged import merged_from
from mmact_eval.view.runs.state import ACTIVE, Signs, judge

_LARGEST_MANIFEST = 64 << 20
_LARGEST_SESSIONS = 256 << 20
_FILES = ("manifest.json", "sessions.jsonl", "episodes.jsonl", NAME)
_LONGEST = 400
"""Letters of a message that is shown."""


class RunWatch:
    """A run folder.

    Attributes:
        folder: where it is.
        counting: whether its episodes are not all read yet.
        active: whether somebody works on it.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds, by which changes are aged."""
        self.folder = folder
        self.counting = True
        self.active = False
        self._clock = clock
        self._known: dict[str, Signature | None] = {}
        self._changed: dict[str, float] = {}
        self._manifest: Manifest | None = None
        self._digest = ""
        self._sessions: Sequence[Session] = ()
        self._facts = RunFacts(Manifest())
        self._live: Live | None = None
        self._counts: EpisodeCounts | None = None
        self._problems: dict[str, str] = {}

    def last_change(self) -> float:
        """When a file last changed, as the disk says (seconds since 1970); 0 if there is none."""
        return max((known[2] / 1e9 for known in self._known.values() if known is not None), default=0.0)

    @property
    def shard(self) -> ShardPart | None:
        """Which part of a run it is; None of a whole one, and of one that cannot be understood."""
        return self._manifest.shard if self._manifest is not None else None

    @property
    def digest(self) -> str:
        """Of its fingerprint; "" if it is not known."""
        return self._digest

    @property
    def plan(self) -> WholePlan:
        """The episodes asked for last, of all parts; empty if it does not tell."""
        return next((session.plan for session in reversed(self._sessions) if session.plan), {})

    @property
    def stages(self) -> int:
        """Of each episode."""
        return self._manifest.made_with.stages if self._manifest is not None else 1

    @property
    def tally(self) -> Tally | None:
        """What has been counted so far; None if nothing could be."""
        return self._counts.tally if self._counts is not None else None

    def state_of_files(self) -> tuple[Signature | None, ...]:
        """Equal as long as a report would come out the same."""
        return tuple(signature(self.folder / name) for name in _FILES[:3])

    def look(self, count: bool = True) -> None:
        """Read what has changed, of the episodes a few megabytes at most.

        Args:
            count: whether to read episodes; without, only what is quickly read.
        """
        new = self._note_changes()
        if "manifest.json" in new:
            self._try("manifest", self._read_manifest)
        if "sessions.jsonl" in new:
            self._try("sessions", self._read_sessions)
        if {"manifest.json", "sessions.jsonl"} & new:
            self._facts = RunFacts(self._manifest or Manifest(), self._sessions)
        if NAME in new:
            self._live = read_live(self.folder) if self._known[NAME] is not None else None
        if count:
            self._try("episodes", self._count)

    def _try(self, what: str, read: Callable[[], None]) -> None:
        """Read a part; why that did not go well is kept until it does."""
        try:
            read()
        except RunFolderError as error:
            self._problems[what] = _one_line(str(error).replace(f"{self.folder}/", ""))
        except OSError as error:
            self._problems[what] = _one_line(f"{what} cannot be read: {error.strerror or error}")
        else:
            self._problems.pop(what, None)
            return
        self.counting &= what != "episodes"

    def _note_changes(self) -> set[str]:
        """The files that have changed since the last look."""
        new = set()
        for name in _FILES:
            now = signature(self.folder / name)
            if name not in self._known or self._known[name] != now:
                if name in self._known:
                    self._changed[name] = self._clock()
                self._known[name] = now
                new.add(name)
        return new

    def _read_manifest(self) -> None:
        self._manifest, self._counts, self._digest = None, None, ""
        with contextlib.suppress(FileNotFoundError):  # which the reader says better
            require_regular(self.folder / "manifest.json", _LARGEST_MANIFEST)
        self._manifest = read_manifest(self.folder)
        self._digest = self._manifest.fingerprint_digest

    def _read_sessions(self) -> None:
        self._sessions = ()
        with contextlib.suppress(FileNotFoundError):
            require_regular(self.folder / "sessions.jsonl", _LARGEST_SESSIONS)
            self._sessions = read_sessions(self.folder)

    def _count(self) -> None:
        if self._counts is None:
            made_with = (self._manifest or Manifest()).made_with
            file = self.folder / "episodes.jsonl"
            self._counts = EpisodeCounts(file, self._digest, made_with.stages, made_with.suite_name)
        self._counts.read_more()
        self.counting = self._counts.behind
        if not self.counting and not self.active:
            self._counts.settle()

    def record(self) -> dict[str, Any]:
        """What is told of the run, JSON-ready; what nobody knows is None or not there."""
        tally = self.tally
        done = tally.episodes if tally is not None else 0
        asked = self._facts.asked("")
        if self._live is not None and self._live.planned is not None and self._live.state == "running":
            asked = self._live.planned
        planned = None if asked is None else max(asked, done)
        state, why = self._state(done, planned)
        record: dict[str, Any] = {
            "suite": self._facts.suite,
            "title": self._facts.title,
            "policy": self._facts.policy,
            "state": state,
            "why": _one_line(why),
            "planned": planned,
            "counting": self.counting,
            "created": (self._manifest.created if self._manifest else "") or self._first_start(),
            "changed": round(self.last_change(), 1),
            "command": shlex.join(map(str, self._manifest.command))[:2000] if self._manifest else "",
            "not_real": list(self._facts.not_real()),
            "part": f"{self.shard.index} of {self.shard.count}" if self.shard is not None else "",
            "merged": merged_from(self._sessions),
            **machine_part(self._sessions, self._live, state),
        }
        if tally is not None:
            record |= figures(tally, self.stages)
            record |= {"done": done, "errors": tally.errors, "queries": tally.queries}
            record["error"] = _one_line(tally.last_error)
            record["warnings"] = list(self._warnings(tally.unreadable, tally.foreign))
        return record

    def _warnings(self, unreadable: int, foreign: int) -> list[str]:
        found = []
        if unreadable:
            found.append(f"lines that are no episode, left out: {unreadable}")
        if foreign:
            found.append(f"records of another run or suite, left out: {foreign}")
        return found

    def _state(self, done: int, planned: int | None) -> tuple[str, str]:
        contradiction = self._counts is not None and self._counts.tally.contradiction
        if contradiction:
            return "damaged", "episodes.jsonl has two different results of an episode; its report says of which"
        if self._problems and not self._is_getting_ready():
            return "damaged", next(iter(self._problems.values()))
        held, pid = self._held()
        signs = Signs(self._live, self._age(NAME) or 0.0, held, pid, done, planned, self._age("episodes.jsonl"))
        state, why = judge(signs)
        self.active = state in ACTIVE
        return state, why

    def _is_getting_ready(self) -> bool:
        """Whether it has no manifest yet because it has only just been started."""
        return self._known.get("manifest.json") is None and self._held()[0] == "held"

    def _held(self) -> tuple[Held, int | None]:
        return holder(self.folder)

    def _age(self, name: str) -> float | None:
        """Seconds since a file changed: by this process's clock once it has seen a change, else by the disk's."""
        known = self._known.get(name)
        if known is None:
            return None
        if name in self._changed:
            return self._clock() - self._changed[name]
        return abs(time.time() - known[2] / 1e9)

    def _first_start(self) -> str:
        return next((session.time for session in self._sessions if session.time), "")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_LONGEST]
