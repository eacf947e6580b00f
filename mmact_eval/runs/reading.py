"""The only reader of a run folder.

`read_run` is for tables: what would make one wrong is an error. `read_episodes` is for a run that resumes, in which a
later line replaces an earlier one, whatever it says. What is missing or makes no sense is a warning in both.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mmact_eval.errors import RunFolderError
from mmact_eval.runs.files.episode_log import NoEpisode, OfAnotherRun, parse_episodes
from mmact_eval.runs.files.session import Session, parse_sessions
from mmact_eval.runs.manifest import Manifest
from mmact_eval.types import Episode, EpisodeResult
from mmact_eval.wording import counted

_LISTED = 3


@dataclass(frozen=True)
class Run:
    """What a run folder holds.

    Attributes:
        folder: where it is.
        manifest: what was asked for, and what it was made with.
        sessions: each start and end, oldest first.
        results: the result of each episode, ordered by episode.
        warnings: what is missing or was left out, a sentence each.
        folders: of episodes that lie elsewhere, where several runs count as one.
    """

    folder: Path
    manifest: Manifest
    sessions: Sequence[Session]
    results: tuple[EpisodeResult, ...]
    warnings: tuple[str, ...] = ()
    folders: Mapping[Episode, Path] = field(default_factory=dict)

    def folder_of(self, episode: Episode) -> Path:
        """The run folder that an episode's files are in."""
        return self.folders.get(episode, self.folder)

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """Everything that can change a result, as nested plain data; `Manifest.made_with` has it by name."""
        return self.manifest.fingerprint

    @property
    def suite(self) -> str:
        """Canonical suite name, "" if neither the manifest nor an episode tells."""
        return self.manifest.made_with.suite_name or (self.results[0].episode.suite if self.results else "")


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a run folder.

    Raises:
        RunFolderError: there is none, it is damaged, or a newer version has written it.
    """
    file = folder / "manifest.json"
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        parts = any(folder.glob("shard-*-of-*/manifest.json"))
        hint = " There are parts of a run in it: mmact-eval merge puts them together." if parts else ""
        raise RunFolderError(f"{folder} is no run folder: it has no manifest.json.{hint}") from error
    except OSError as error:
        raise RunFolderError(f"cannot read {file}: {error.strerror}.") from error
    except ValueError as error:
        state = "is damaged" if file.stat().st_size else "is empty, as after a power loss"
        raise RunFolderError(
            f"{file} {state}, so nobody knows how the episodes beside it were made. Put a copy of it back, or make the "
            "run anew in another folder; if there are no episodes, delete it."
        ) from error
    return Manifest.parse(data, str(file))


def read_sessions(folder: Path) -> list[Session]:
    """The sessions of a run folder, oldest first; lines that make no sense are left out.

    Raises:
        RunFolderError: the file cannot be read.
    """
    return parse_sessions(_lines(folder / "sessions.jsonl"))


def read_episodes(folder: Path) -> tuple[dict[Episode, EpisodeResult], list[str]]:
    """The last result of each episode of a run folder, and warnings about lines that could not be read.

    Raises:
        RunFolderError: the file cannot be read.
    """
    file = folder / "episodes.jsonl"
    done: dict[Episode, EpisodeResult] = {}
    warnings: list[str] = []
    foreign = 0
    for number, found in parse_episodes(_lines(file), *_made_under(folder)):
        if isinstance(found, NoEpisode):
            warnings.append(f"{file}:{number}: not an episode, ignored ({found})")
        elif isinstance(found, OfAnotherRun):
            foreign += 1
        else:
            done[found.episode] = found
    if foreign:
        were = counted(foreign, "line was", "lines were")
        warnings.append(f"{file}: {were} made under another fingerprint than this run's; left out")
    return done, warnings


def read_run(folder: Path) -> Run:
    """Read a run folder.

    Of two lines for one episode the later counts, as when an error was tried again. Two *different* completed results
    of one episode cannot both be right, and nobody knows which is: that is an error.

    Raises:
        RunFolderError: it is no run folder, cannot be read, or contradicts itself.
    """
    manifest = read_manifest(folder)
    of_the_run = manifest.fingerprint_digest, manifest.made_with.stages
    found, warnings = _read_strictly(folder / "episodes.jsonl", *of_the_run)
    name = manifest.made_with.suite_name
    results = [result for result in found.values() if not name or name == result.episode.suite]
    if len(results) < len(found):
        others = len(found) - len(results)
        warnings.append(f"{counted(others, 'record')} of other suites than {name} left out.")
    ordered = tuple(sorted(results, key=lambda result: result.episode))
    return Run(folder, manifest, read_sessions(folder), ordered, tuple(warnings))


def _read_strictly(file: Path, digest: str, stages: int) -> tuple[dict[Episode, EpisodeResult], list[str]]:
    done: dict[Episode, EpisodeResult] = {}
    unreadable: list[str] = []
    foreign: list[str] = []
    contradictions: list[str] = []
    repeated = 0
    for number, found in parse_episodes(_lines(file), digest, stages):
        if isinstance(found, NoEpisode):
            unreadable.append(f"line {number} ({found})")
            continue
        if isinstance(found, OfAnotherRun):
            foreign.append(f"line {number}")
            continue
        before = done.get(found.episode)
        if before is not None and "error" not in (before.outcome, found.outcome):
            repeated += not _adds_artifacts(before, found)
            if before.reproducible() != found.reproducible():
                contradictions.append(f"{found.episode.key}: {before.outcome}, and in line {number} otherwise")
        done[found.episode] = found
    if contradictions:
        raise RunFolderError(
            f"{file} has two different results for {_listed(contradictions)}. Which one is right cannot be known: "
            "delete the lines that do not belong there."
        )
    warnings = []
    if unreadable:
        warnings.append(f"{file}: not an episode, left out: {_listed(unreadable)}.")
    if foreign:
        warnings.append(
            f"{file}: {counted(len(foreign), 'record')} made under another fingerprint than this run's, left out: "
            f"{_listed(foreign)}."
        )
    if repeated:
        are = counted(repeated, "episode is", "episodes are")
        warnings.append(f"{file}: {are} there twice with the same result; each counts once.")
    return done, warnings


def _made_under(folder: Path) -> tuple[str, int]:
    """The digest of a run folder's fingerprint, "" if it has none that can be read, and how many stages its episodes
    have."""
    try:
        manifest = read_manifest(folder)
    except RunFolderError:
        return "", 1
    return manifest.fingerprint_digest, manifest.made_with.stages


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


def _adds_artifacts(before: EpisodeResult, after: EpisodeResult) -> bool:
    """Whether the second is the first with more artifacts, as of an episode whose video was made later."""
    return before != after and replace(after, artifacts=before.artifacts) == before


def _listed(texts: Sequence[str]) -> str:
    more = len(texts) - _LISTED
    return "; ".join(texts[:_LISTED]) + (f"; and {more} more" if more > 0 else "")
