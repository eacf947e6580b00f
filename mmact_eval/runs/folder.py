"""The run folder: what was asked, what it ran on, one line for each episode. It is the product; reports come from it.

    manifest.json    the protocol fingerprint and what was asked; written once
    sessions.jsonl   a line for each start of the run (command, machine, workers) and for each end (memory, batches)
    episodes.jsonl   one line for each finished episode, appended, flushed and synced
    logs/  videos/   what the workers wrote

A line that a crash cut in half is set aside, not trusted and not fatal. Of two lines for one episode the later counts.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from mmact_eval.errors import RunAborted, RunFolderError
from mmact_eval.runs import fingerprint as provenance
from mmact_eval.runs.episode_log import EpisodeLog, OfAnotherRun, from_line, set_broken_tail_aside, to_line
from mmact_eval.runs.lock import RunLock
from mmact_eval.runs.rescue import rescue, write_manifest
from mmact_eval.types import Episode, EpisodeResult

SCHEMA = 1

Weigh = Callable[[Sequence[str]], tuple[Sequence[str], str]]
"""Which differences between two fingerprints count, and advice about them; see `optional.WeighsDifferences`."""


def all_count(differences: Sequence[str]) -> tuple[Sequence[str], str]:
    """What holds for most policies."""
    return differences, ""


class RunFolder:
    """An open run folder, locked against a second run. Use as a context manager.

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
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = RunLock(path)
        except OSError as error:
            raise _cannot_write(path, error) from error
        if self._lock.warning:
            self.warnings.append(self._lock.warning)
        self._manifest: dict[str, Any] = {}
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
            self._lock.release()

    def open_manifest(self, manifest: Mapping[str, Any], weigh: Weigh = all_count) -> dict[str, Any]:
        """Write the manifest of a new run, or check that an old one was made under the same fingerprint.

        A folder in which no episode was completed yet is not bound by its fingerprint: what it holds (errors, of a
        policy that was mended since) is set aside. Call it before `open_episodes`.

        Args:
            manifest: its ``fingerprint`` is compared, the rest is for people.
            weigh: which of the differences count, and advice about them.

        Returns:
            The manifest in the folder.

        Raises:
            RunFolderError: the folder holds a run with another fingerprint (the difference is shown), or its
                manifest is missing or cannot be read.
        """
        file = self.path / "manifest.json"
        completed = any(result.outcome != "error" for result in read_episodes(self.path)[0].values())
        if file.exists():
            found = read_manifest(self.path)
            changed, advice = weigh(provenance.differences(found["fingerprint"], manifest["fingerprint"]))
            if not changed:
                self._manifest = found
                return found
            if completed:
                raise RunFolderError(provenance.made_differently(f"{self.path} holds a run", changed, advice))
            for name in (file.name, "episodes.jsonl", "sessions.jsonl"):
                self._set_aside(name)
        elif completed:
            raise RunFolderError(f"{self.path} has episodes but no manifest.json: nobody knows how they were made.")
        self._manifest = {"schema": SCHEMA, "created": _now(), **manifest}
        try:
            write_manifest(self.path, self._manifest)
        except OSError as error:
            raise RunFolderError(f"cannot write {file}: {error.strerror}.") from error
        return self._manifest

    def open_episodes(self) -> dict[Episode, EpisodeResult]:
        """Read what is done and get ready to append.

        Returns:
            The last result of each episode.
        """
        file = self.path / "episodes.jsonl"
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
            RunAborted: it could not be written (a full disk, say), and the lines before it are safe; or see
                `require_in_place`.
        """
        if self._log is None:
            raise RuntimeError("open_episodes comes before append")
        self.require_in_place(result)
        self._log.append(to_line(result, _digest(self._manifest)))
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
            log, self._log = self._log, None
            log.close()
            self._results |= {result.episode: result for result in unwritten}
            lines = "".join(to_line(result, _digest(self._manifest)) for result in self._results.values())
            told = rescue(self.path, self._manifest, lines)
            raise RunAborted(f"{log.file} {why} while the run was going on. {told}")
        if self._manifest and not (self.path / "manifest.json").exists():
            with contextlib.suppress(OSError):
                write_manifest(self.path, self._manifest)
                self.warnings.append("manifest.json was deleted while the run was going on, and was written again")

    def add_session(self, **facts: Any) -> None:
        """Record that the run was started (again), or what it had used when it ended."""
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
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise _cannot_write(self.path, error) from error
        return folder

    def _set_aside(self, name: str) -> None:
        file = self.path / name
        try:
            if file.exists():
                file.replace(file.with_name(f"{name}.old"))
        except OSError as error:
            raise _cannot_write(self.path, error) from error


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of a run folder.

    Raises:
        RunFolderError: there is none, or it is no JSON.
    """
    file = path / "manifest.json"
    try:
        manifest: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunFolderError(f"{path} is no run folder: it has no manifest.json.") from error
    except OSError as error:
        raise RunFolderError(f"cannot read {file}: {error.strerror}.") from error
    except ValueError as error:
        state = "is damaged" if file.stat().st_size else "is empty, as after a power loss"
        raise RunFolderError(
            f"{file} {state}, so nobody knows how the episodes beside it were made. Put a copy of it back, or make the "
            "run anew in another folder; if there are no episodes, delete it."
        ) from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("fingerprint"), dict):
        raise RunFolderError(f"{file} is not the manifest of a run.")
    return manifest


def read_episodes(path: Path) -> tuple[dict[Episode, EpisodeResult], list[str]]:
    """The last result of each episode of a run folder, and warnings about lines that could not be read.

    Raises:
        RunFolderError: the file cannot be read.
    """
    file = path / "episodes.jsonl"
    done: dict[Episode, EpisodeResult] = {}
    warnings: list[str] = []
    foreign = 0
    digest = digest_of(path)
    for number, line in enumerate(_lines(file), 1):
        if not line.strip():
            continue
        try:
            result = from_line(line, digest)
        except OfAnotherRun:
            foreign += 1
            continue
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            warnings.append(f"{file}:{number}: not an episode, ignored ({type(error).__name__}: {error})")
            continue
        done[result.episode] = result
    if foreign:
        warnings.append(f"{file}: {foreign} lines were made under another fingerprint than this run's; left out")
    return done, warnings


def digest_of(path: Path) -> str:
    """The digest of a run folder's fingerprint, "" if it has none that can be read."""
    try:
        return _digest(read_manifest(path))
    except RunFolderError:
        return ""


def _digest(manifest: Mapping[str, Any]) -> str:
    return provenance.digest(manifest["fingerprint"]) if manifest else ""


def read_sessions(path: Path) -> list[dict[str, Any]]:
    """The sessions of a run folder, oldest first; lines that make no sense are left out.

    Raises:
        RunFolderError: the file cannot be read.
    """
    sessions = []
    for line in _lines(path / "sessions.jsonl"):
        try:
            session = json.loads(line)
        except ValueError:
            continue
        if isinstance(session, dict):
            sessions.append(session)
    return sessions


def _lines(file: Path) -> Iterator[str]:
    """The lines of a file, none if there is no such file.

    Raises:
        RunFolderError: it cannot be read.
    """
    try:
        with open(file, encoding="utf-8", errors="replace") as stream:
            yield from stream
    except FileNotFoundError:
        return
    except OSError as error:
        raise RunFolderError(
            f"cannot read {file}: {error.strerror}. If another user has made it (root, in a container), make it yours: "
            f"chown -R $USER {file.parent}"
        ) from error


def _cannot_write(path: Path, error: OSError) -> RunFolderError:
    return RunFolderError(f"cannot write to the run folder {path}: {error.strerror}. Choose another with --out.")


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
