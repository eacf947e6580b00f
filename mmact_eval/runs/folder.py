"""Writes the run folder: what was asked, what it ran on, a line per episode. It is the product; reports come from it.

    manifest.json    the protocol fingerprint and what was asked; written once
    sessions.jsonl   a line for each start of the run (command, machine, workers) and for each end (memory, batches)
    episodes.jsonl   one line for each finished episode, appended, flushed and synced
    logs/  videos/   what the workers wrote

A line that a crash cut in half is set aside, not trusted and not fatal. `mmact_eval.runs.reading` reads it all.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from mmact_eval.errors import RunAborted, RunFolderError
from mmact_eval.runs import fingerprint as provenance
from mmact_eval.runs.files.episode_log import EpisodeLog, set_broken_tail_aside, to_line
from mmact_eval.runs.files.lock import RunLock
from mmact_eval.runs.files.rescue import rescue, write_manifest
from mmact_eval.runs.manifest import Manifest, part_in_words
from mmact_eval.runs.reading import read_episodes, read_manifest
from mmact_eval.types import About, Episode, EpisodeResult

Weigh = Callable[[Sequence[About]], tuple[Sequence[str], str]]
"""Which differences between two fingerprints count, and advice about them; see `optional.WeighsDifferences`."""


def all_count(differences: Sequence[About]) -> tuple[Sequence[str], str]:
    """What holds for most policies."""
    return differences, ""


class RunFolder:
    """An open run folder, locked against a second run. Use as a context manager.

    If nothing was written until its end, nothing stays of what the constructor made.

    Attributes:
        path: the folder.
        warnings: what was wrong with the files found, in words.
    """

    def __init__(self, path: Path) -> None:
        """Create the folder if it is not there, and lock it.

        Raises:
            RunFolderError: it cannot be written, or another run holds it.
        """
        self.path = path
        self.warnings: list[str] = []
        self._made = [folder for folder in (path, *path.parents) if not folder.exists()]
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = RunLock(path)
        except OSError as error:
            raise _cannot_write(path, error) from error
        if self._lock.warning:
            self.warnings.append(self._lock.warning)
        self._is_written = False
        self._manifest: Manifest | None = None
        self._log: EpisodeLog | None = None
        self._results: dict[Episode, EpisodeResult] = {}

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        try:
            self.require_in_place()
        finally:
            if self._log is not None:
                self._log.close()
            self._lock.release(without_trace=not self._is_written)
            if not self._is_written:
                with contextlib.suppress(OSError):  # somebody else has put something there
                    for folder in self._made:
                        folder.rmdir()

    def open_manifest(self, manifest: Manifest, weigh: Weigh = all_count) -> Manifest:
        """Write the manifest of a new run, or check that an old one was made under the same fingerprint.

        A folder in which no episode was completed yet is not bound by its fingerprint: what it holds (errors, of a
        policy that was mended since) is set aside. Call it before `open_episodes`.

        Args:
            manifest: its `fingerprint` is compared, the rest is for people.
            weigh: which of the differences count, and advice about them.

        Returns:
            The manifest in the folder.

        Raises:
            RunFolderError: the folder holds a run with another fingerprint (the difference is shown), or another part
                of the run, or its
                manifest is missing or cannot be read.
        """
        file = self.path / "manifest.json"
        completed = any(result.outcome != "error" for result in read_episodes(self.path)[0].values())
        if file.exists():
            found = read_manifest(self.path)
            changed, advice = weigh(provenance.differences(found.fingerprint, manifest.fingerprint))
            there, asked = (part_in_words(one.shard) for one in (found, manifest))
            if not changed and there == asked:
                self._manifest = found
                return found
            if completed and not changed:
                raise RunFolderError(
                    f"{self.path} holds {there} of a run, and {asked} is asked for. Choose another folder with --out."
                )
            if completed:
                raise RunFolderError(provenance.made_differently(f"{self.path} holds a run", changed, advice))
            self._is_written = True
            for name in (file.name, "episodes.jsonl", "sessions.jsonl"):
                self._set_aside(name)
        elif completed:
            raise RunFolderError(f"{self.path} has episodes but no manifest.json: nobody knows how they were made.")
        self._manifest, self._is_written = manifest, True
        try:
            write_manifest(self.path, manifest)
        except OSError as error:
            raise RunFolderError(f"cannot write {file}: {error.strerror}.") from error
        return manifest

    def open_episodes(self) -> dict[Episode, EpisodeResult]:
        """Read what is done and get ready to append.

        Returns:
            The last result of each episode.
        """
        file = self.path / "episodes.jsonl"
        self._is_written = True
        if file.exists():
            set_broken_tail_aside(file)
            done, warnings = read_episodes(self.path)
            self.warnings += warnings
        else:
            done = {}
        try:
            self._log = EpisodeLog(file)
        except OSError as error:
            raise RunFolderError(f"cannot write {file}: {error.strerror}.") from error
        self._results = dict(done)
        return done

    def append(self, result: EpisodeResult) -> None:
        """Add a line and make sure that it is on the disk, in a file that can be found.

        Raises:
            RunAborted: it could not be written (a full disk, say), and the lines before it are safe; the folder is not
                this process's any more; or see `require_in_place`.
        """
        if self._log is None:
            raise RuntimeError("open_episodes comes before append")
        self._lock.require()
        self.require_in_place(result)
        self._log.append(to_line(result, self._digest))
        self._results[result.episode] = result

    def require_in_place(self, *unwritten: EpisodeResult) -> None:
        """Check that the files are where others look for them; a clean-up of the disk may have taken them.

        A manifest that is gone is written again.

        Args:
            unwritten: results that no line was written for.

        Raises:
            RunAborted: ``episodes.jsonl`` was deleted, replaced or changed; all results are in a new file then.
        """
        if self._log is None:
            return
        why = self._log.trouble()
        if why:
            self._lock.require()  # somebody else has it, and writes
            log, self._log = self._log, None
            log.close()
            self._results |= {result.episode: result for result in unwritten}
            lines = "".join(to_line(result, self._digest) for result in self._results.values())
            told = rescue(self.path, self._manifest, lines)
            raise RunAborted(f"{log.file} {why} while the run was going on. {told}")
        if self._manifest is not None and not (self.path / "manifest.json").exists():
            with contextlib.suppress(OSError):
                write_manifest(self.path, self._manifest)
                self.warnings.append("manifest.json was deleted while the run was going on, and was written again")

    def add_session(self, **facts: Any) -> None:
        """Record that the run was started (again), or what it had used when it ended (see `Session`)."""
        self._is_written = True
        self._lock.require()
        try:
            with open(self.path / "sessions.jsonl", "ab+") as stream:
                cut = stream.tell() and os.pread(stream.fileno(), 1, stream.tell() - 1) != b"\n"  # by a crash
                stream.write(b"\n" * bool(cut) + json.dumps({"time": _now(), **facts}).encode() + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise _cannot_write(self.path, error) from error

    def log_folder(self) -> Path:
        """The folder for logs, made if it is not there."""
        folder = self.path / "logs"
        self._is_written = True
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise _cannot_write(self.path, error) from error
        return folder

    @property
    def _digest(self) -> str:
        """What each line is bound to."""
        return self._manifest.fingerprint_digest if self._manifest is not None else ""

    def _set_aside(self, name: str) -> None:
        file = self.path / name
        try:
            if file.exists():
                file.replace(file.with_name(f"{name}.old"))
        except OSError as error:
            raise _cannot_write(self.path, error) from error


def _cannot_write(path: Path, error: OSError) -> RunFolderError:
    return RunFolderError(f"cannot write to the run folder {path}: {error.strerror}. Choose another with --out.")


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
