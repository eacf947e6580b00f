"""A run folder as data, read strictly: what would make a table wrong is an error, what is missing a warning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mmact_eval.errors import RunFolderError
from mmact_eval.runs.episode_log import OfAnotherRun, from_line
from mmact_eval.runs.folder import digest_of, read_manifest, read_sessions
from mmact_eval.types import Episode, EpisodeResult

_LISTED = 3


@dataclass(frozen=True)
class Run:
    """What a run folder holds.

    Attributes:
        folder: where it is.
        manifest, sessions: as `mmact_eval.runs.folder` reads them.
        results: the result of each episode, ordered by episode.
        warnings: what is missing or was left out, a sentence each.
        folders: of episodes that lie elsewhere, where several runs count as one.
    """

    folder: Path
    manifest: Mapping[str, Any]
    sessions: Sequence[Mapping[str, Any]]
    results: tuple[EpisodeResult, ...]
    warnings: tuple[str, ...] = ()
    folders: Mapping[Episode, Path] = field(default_factory=dict)

    def folder_of(self, episode: Episode) -> Path:
        """The run folder that an episode's files are in."""
        return self.folders.get(episode, self.folder)

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """Everything that can change a result."""
        found: Mapping[str, Any] = self.manifest["fingerprint"]
        return found

    @property
    def suite(self) -> str:
        """Canonical suite name, "" if neither the manifest nor an episode tells."""
        suite = self.fingerprint.get("suite")
        name = suite.get("name") if isinstance(suite, Mapping) else None
        return str(name or (self.results[0].episode.suite if self.results else ""))


def read_run(folder: Path) -> Run:
    """Read a run folder.

    Of two lines for one episode the later counts, as when an error was tried again. Two *different* completed results
    of one episode cannot both be right, and nobody knows which is: that is an error.

    Raises:
        RunFolderError: it is no run folder, cannot be read, or contradicts itself.
    """
    manifest = read_manifest(folder)
    found, warnings = _read_episodes(folder / "episodes.jsonl", digest_of(folder))
    suite = manifest["fingerprint"].get("suite")
    name = suite.get("name") if isinstance(suite, Mapping) else None
    results = [result for result in found.values() if name in (None, result.episode.suite)]
    if len(results) < len(found):
        warnings.append(f"{len(found) - len(results)} records of other suites than {name} were left out.")
    ordered = tuple(sorted(results, key=lambda result: result.episode))
    return Run(folder, manifest, read_sessions(folder), ordered, tuple(warnings))


def _read_episodes(file: Path, digest: str) -> tuple[dict[Episode, EpisodeResult], list[str]]:
    found: dict[Episode, EpisodeResult] = {}
    unreadable: list[str] = []
    foreign: list[str] = []
    contradictions: list[str] = []
    repeated = 0
    try:
        with open(file, encoding="utf-8", errors="replace") as stream:
            for number, line in enumerate(stream, 1):
                if not line.strip():
                    continue
                try:
                    result = from_line(line, digest)
                except OfAnotherRun:
                    foreign.append(f"line {number}")
                    continue
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    unreadable.append(f"line {number} ({type(error).__name__}: {error})")
                    continue
                before = found.get(result.episode)
                if before is not None and "error" not in (before.outcome, result.outcome):
                    repeated += not _adds_artifacts(before, result)
                    if before.reproducible() != result.reproducible():
                        contradictions.append(f"{result.episode.key}: {before.outcome}, and in line {number} otherwise")
                found[result.episode] = result
    except FileNotFoundError:
        return {}, []
    except OSError as error:
        raise RunFolderError(f"cannot read {file}: {error.strerror}.") from error
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
            f"{file}: {len(foreign)} records were made under another fingerprint than this run's and are left out: "
            f"{_listed(foreign)}."
        )
    if repeated:
        warnings.append(f"{file}: {repeated} episodes are there twice with the same result; each counts once.")
    return found, warnings


def _adds_artifacts(before: EpisodeResult, after: EpisodeResult) -> bool:
    """Whether the second is the first with more artifacts, as of an episode whose video was made later."""
    return before != after and replace(after, artifacts=before.artifacts) == before


def _listed(texts: Sequence[str]) -> str:
    more = len(texts) - _LISTED
    return "; ".join(texts[:_LISTED]) + (f"; and {more} more" if more > 0 else "")
