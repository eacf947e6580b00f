"""All runs and studies under some folders, kept up to date by a thread, and what of them has changed since a look."""

from __future__ import annotations

import hashlib
import logging
import math
import os
import secrets
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmact_eval.errors import RunFolderError
from mmact_eval.machine.regular_file import Signature
from mmact_eval.view.discover import Found, discover
from mmact_eval.view.runs.parts import Whole, told_together, wholes
from mmact_eval.view.runs.run_watch import RunWatch
from mmact_eval.view.studies import FoundStudy, found_studies

log = logging.getLogger(__name__)

_LEAST_PAUSE = 1.5
"""Seconds between two looks at everything; more where a look takes long, as on a network disk."""

_SHARE = 4.0
"""Looking takes one part in so many of the time, and one."""


_LONGEST_TEXT = 2000
"""Letters of a text that is told."""

_LONGEST_LIST = 200


def identity(folder: Path) -> str:
    """A short name for a folder, the same as long as it stays where it is."""
    return hashlib.blake2b(os.fsencode(folder), digest_size=6).hexdigest()


class Catalogue:
    """What there is. Its methods may be called from any thread.

    Attributes:
        roots: absolute folders that are looked under.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        self.roots = [Path(os.path.abspath(root)) for root in roots]
        self._epoch = secrets.token_hex(4)
        self._lock = threading.Lock()
        self._version = 0
        self._runs: dict[str, RunWatch] = {}
        self._wholes: dict[str, Whole] = {}
        self._studies: dict[str, tuple[FoundStudy, tuple[Signature | None, ...]]] = {}
        self._records: dict[str, tuple[int, dict[str, Any]]] = {}
        self._gone: dict[str, int] = {}
        self._problems: list[dict[str, str]] = []
        self._looked = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_again_and_again, name="catalogue", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Stop looking."""
        self._over.set()

    def run(self, name: str) -> RunWatch | None:
        """A run by its identity."""
        return self._runs.get(name)

    def parts(self, name: str) -> tuple[list[RunWatch], dict[str, str]]:
        """The parts of a run by its identity, and the ``name`` and ``path`` of that; none if there is no such run."""
        whole = self._wholes.get(name)
        if whole is None:
            return [], {}
        runs = [self._runs.get(part) for part in whole.parts.values()]
        return [run for run in runs if run is not None], self._named(whole)

    def study(self, name: str) -> FoundStudy | None:
        """A study by its identity."""
        found = self._studies.get(name)
        return None if found is None else found[0]

    def changes(self, since: str = "") -> dict[str, Any]:
        """What has changed.

        Args:
            since: the ``version`` of the answer before; "" for everything.

        Returns:
            JSON-ready: ``version``; ``whole`` if it is everything; ``items`` by identity, with ``kind`` run, study or
            parts (of one run); identities that are ``gone``; ``counting`` runs whose episodes are not all read;
            ``ready`` once everything was looked at; ``problems`` with folders; ``now``, seconds since 1970.
        """
        epoch, _, number = since.partition(".")
        known = int(number) if epoch == self._epoch and number.isascii() and number.isdigit() else -1
        with self._lock:
            items = {name: record for name, (version, record) in self._records.items() if version > known}
            gone = [name for name, version in self._gone.items() if version > known] if known >= 0 else []
            return {
                "version": f"{self._epoch}.{self._version}",
                "whole": known < 0,
                "items": items,
                "gone": gone,
                "counting": sum(
                    bool(record.get("counting")) for _, record in self._records.values() if record["kind"] == "run"
                ),
                "ready": self._looked,
                "roots": [str(root) for root in self.roots],
                "problems": list(self._problems),
                "now": time.time(),
            }

    def look(self) -> None:
        """Look at everything once, until all episodes are counted."""
        self._discover()
        self._count_until(math.inf)

    def _look_again_and_again(self) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            try:
                self._discover()
            except Exception:
                log.exception("a look at the run folders has failed; it is tried again")
            now = time.monotonic()
            again = now + max(_LEAST_PAUSE, _SHARE * (now - began))
            self._count_until(again)
            self._over.wait(max(0.0, again - time.monotonic()))

    def _discover(self) -> None:
        found = discover(self.roots)
        folders = {identity(folder): folder for folder in found.runs}
        for name, folder in folders.items():
            watch = self._runs.get(name)
            if watch is None:
                watch = self._runs[name] = RunWatch(folder)
                watch.look(count=False)
            else:
                watch.look(count=not watch.counting)
            self._publish(name, self._record(watch))
        for name in self._runs.keys() - folders.keys():
            del self._runs[name]
        studies = {_of_study(study): study for study in found_studies(found.studies)}
        for name, study in studies.items():
            self._publish(name, self._study_record(name, study))
        self._publish_wholes()
        self._forget(folders.keys() | studies.keys() | self._wholes.keys())
        self._note_problems(found)
        self._looked = True

    def _count_until(self, end: float) -> None:
        """Count runs that are not counted yet, those that changed last first, until all are or the time is over."""
        while waiting := [(name, run) for name, run in self._runs.items() if run.counting]:
            for name, run in sorted(waiting, key=lambda one: -one[1].last_change()):
                if self._over.is_set() or time.monotonic() > end:
                    return
                run.look()
                self._publish(name, self._record(run))
            self._publish_wholes()

    def _record(self, watch: RunWatch) -> dict[str, Any]:
        try:
            told = watch.record()
        except Exception as error:  # a run that nobody understands must not hide the others
            log.warning("%s cannot be told of", watch.folder, exc_info=True)
            told = {"state": "damaged", "why": f"{type(error).__name__}: {error}"[:400], "counting": False}
            watch.counting = False
        return {"kind": "run", **self._place(watch.folder), **clipped(told)}

    def _publish_wholes(self) -> None:
        """Put parts of the same run together, as they were published last."""
        self._wholes = {_of_whole(whole): whole for whole in wholes(self._runs)}
        for name, whole in self._wholes.items():
            of = {part: self._records[part][1] for part in whole.parts.values()}
            try:
                told = clipped(told_together(whole, self._runs, of))
            except Exception:  # which must not hide the parts
                log.warning("the parts in %s cannot be put together", whole.place, exc_info=True)
                continue
            parts = [part for _, part in sorted(whole.parts.items())]
            self._publish(name, {"kind": "parts", **self._named(whole), **told, "parts": parts})

    def _named(self, whole: Whole) -> dict[str, str]:
        place = self._place(whole.place)
        return {**place, "name": _shown(whole.name)} if whole.name else place

    def _study_record(self, name: str, found: FoundStudy) -> dict[str, Any]:
        now = found.signature()
        if self._studies.get(name) == (found, now) and name in self._records:
            return self._records[name][1]
        self._studies[name] = (found, now)
        place, parts = self._place(found.place), len(found.folders)
        record: dict[str, Any] = {"kind": "study", **place, "title": found.place.name, "arms": [], "why": ""}
        try:
            study = found.read()
        except RunFolderError as error:
            return {**record, "why": " ".join(str(error).split())[:400]}
        arms = [
            {"name": arm.name, "label": arm.label, "runs": [identity(folder / arm.name) for folder in found.folders],
             "baseline": arm.name == study.baseline, "stopped": study.stopped.get(arm.name, "")}
            for arm in study.arms
        ]  # fmt: skip
        return {**record, **clipped({"title": study.title, "arms": arms}), "count": parts if parts > 1 else None}

    def _place(self, folder: Path) -> dict[str, str]:
        """Where a folder is: in full, and as it is called under its root."""
        roots = [root for root in self.roots if folder.is_relative_to(root)]
        short = str(folder.relative_to(max(roots, key=lambda root: len(root.parts)))) if roots else "."
        return {"path": _shown(str(folder)), "name": _shown(folder.name if short == "." else short)}

    def _publish(self, name: str, record: dict[str, Any]) -> None:
        with self._lock:
            before = self._records.get(name)
            if before is None or before[1] != record:
                self._version += 1
                self._records[name] = (self._version, record)
                self._gone.pop(name, None)

    def _forget(self, there: set[str]) -> None:
        with self._lock:
            for name in [name for name in self._records if name not in there]:
                self._version += 1
                del self._records[name]
                self._studies.pop(name, None)
                self._gone[name] = self._version

    def _note_problems(self, found: Found) -> None:
        told = [{"folder": _shown(str(folder)), "why": why} for folder, why in sorted(found.problems.items())]
        if not found.complete:
            told.append({"folder": "", "why": "there are too many folders here; name those with runs"})
        with self._lock:
            self._problems = told


def _of_whole(whole: Whole) -> str:
    """A short name for a run in parts, the same as long as these stay where they are."""
    return identity(whole.place / f"{whole.digest}-of-{whole.count}")


def _of_study(study: FoundStudy) -> str:
    """A short name for a study, the same as long as it, or its parts, stay where they are."""
    first, *others = study.folders
    return identity(study.place / f"study-of-{first.name.rpartition('-')[2]}" if others else first)


def clipped(value: Any) -> Any:
    """Plain data without what no page could hold: endless texts and lists, numbers that JSON has not."""
    if isinstance(value, str):
        return value if len(value) <= _LONGEST_TEXT else value[:_LONGEST_TEXT] + "…"
    if isinstance(value, dict):
        return {key: clipped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [clipped(item) for item in value[:_LONGEST_LIST]]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _shown(path: str) -> str:
    """A path as text; bytes that are no text are spelt with backslashes."""
    return os.fsencode(path).decode("utf-8", errors="backslashreplace")
