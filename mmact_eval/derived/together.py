"""The results of several runs as those of one: which count, whose files go with them, and which are missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmact_eval.derived.sources import Source
from mmact_eval.errors import RunFolderError
from mmact_eval.runs.fingerprint import differences
from mmact_eval.runs.reading import Run
from mmact_eval.runs.shard import Shard
from mmact_eval.types import Episode, EpisodeResult
from mmact_eval.wording import counted

_LISTED = 5


@dataclass(frozen=True)
class Together:
    """Results of several runs as those of one.

    Attributes:
        results: the one that counts of each episode.
        folders: for each episode, of each kind of artifact the run folder that it is in.
        doubles: episodes that several runs have completed, with the same result.
    """

    results: Mapping[Episode, EpisodeResult]
    folders: Mapping[Episode, Mapping[str, Path]]
    doubles: Sequence[Episode]


def together(sources: Sequence[Source]) -> Together:
    """Put results together. What was completed wins over an error, else the first counts.

    Raises:
        RunFolderError: two runs have different results of an episode.
    """
    found: dict[Episode, EpisodeResult] = {}
    folders: dict[Episode, dict[str, Path]] = {}
    origin: dict[Episode, Source] = {}
    doubles: dict[Episode, None] = {}
    contradictions: list[str] = []
    for source in sources:
        for result in source.run.results:
            episode, before = result.episode, found.get(result.episode)
            own = dict.fromkeys(result.artifacts, source.run.folder)
            if before is None or (before.outcome == "error" and result.outcome != "error"):
                found[episode], folders[episode], origin[episode] = result, own, source
            elif "error" not in (before.outcome, result.outcome):
                doubles[episode] = None
                if before.reproducible() != result.reproducible():
                    contradictions.append(_contradiction(origin[episode], before, source, result))
                found[episode], folders[episode] = _with_files_of(before, folders[episode], result, own)
    if contradictions:
        raise RunFolderError(
            f"{counted(len(contradictions), 'episode has', 'episodes have')} different results, and nobody knows which "
            f"is right: {listed(contradictions)}. `mmact-eval recheck` runs episodes again."
        )
    return Together(found, folders, list(doubles))


def _with_files_of(
    before: EpisodeResult, folders: Mapping[str, Path], again: EpisodeResult, others: Mapping[str, Path]
) -> tuple[EpisodeResult, dict[str, Path]]:
    """A result with the artifacts that only another run has, and the folder of each."""
    kept = {kind for kind, name in before.artifacts.items() if (folders[kind] / name).is_file()}
    added = {kind: name for kind, name in again.artifacts.items() if kind not in kept}
    there = {kind for kind, name in added.items() if (others[kind] / name).is_file()}
    told = {kind: name for kind, name in before.artifacts.items() if kind.removesuffix("_error") not in there}
    artifacts = {**told, **{kind: name for kind, name in added.items() if kind in there}}
    return replace(before, artifacts=artifacts), {**folders, **{kind: others[kind] for kind in there}}


def _contradiction(first: Source, before: EpisodeResult, second: Source, now: EpisodeResult) -> str:
    there, here = _reproducible(before), _reproducible(now)
    changed = ", ".join(differences(there, here))
    return f"{before.episode.key} in {first.run.folder} and in {second.run.folder} ({changed})"


def _reproducible(result: EpisodeResult) -> dict[str, Any]:
    names = ("outcome", "steps", "queries", "scene_hash", "final_hash", "stages")
    return {**{name: getattr(result, name) for name in names}, "figures": dict(result.reproducible_figures())}


def absent(sources: Sequence[Source], results: Mapping[Episode, EpisodeResult]) -> list[Episode]:
    """The episodes that were asked for and have no result."""
    asked = dict.fromkeys(episode for source in sources for episode in source.asked or ())
    return [episode for episode in asked if episode not in results]


def missing(sources: Sequence[Source], results: Mapping[Episode, EpisodeResult]) -> list[str]:
    """What was asked for and is in none of the runs, in words: parts that nobody gave, and episodes.

    A run that does not tell its plan is only as complete as its own number of results.
    """
    lacking = absent(sources, results)
    told = list(_missing_parts(sources, set(lacking)))
    found = [text for text, _ in told]
    in_parts = {episode for _, episodes in told for episode in episodes}
    found += [episode.key for episode in lacking if episode not in in_parts]
    for source in sources:
        total = _number_asked(source.run)
        if source.asked is None and total > len(source.run.results):
            found.append(f"{total - len(source.run.results)} of the {total} episodes of {source.run.folder}")
    return found


def _number_asked(run: Run) -> int:
    """How many episodes were asked for last, 0 if nobody knows."""
    starts = [session.episodes_planned for session in run.sessions if session.episodes_planned]
    number = starts[-1] if starts else run.manifest.episodes_planned
    return sum(number.values()) if isinstance(number, dict) else number or 0


def _missing_parts(sources: Sequence[Source], lacking: set[Episode]) -> list[tuple[str, list[Episode]]]:
    """Parts of which there is no run and no episode, and their episodes."""
    given = {(source.shard.index, source.shard.count) for source in sources if source.shard}
    plans = {source.shard.count: source.asked for source in sources if source.shard and source.asked}
    found = []
    for count, asked in plans.items():
        for index in range(count):
            episodes = Shard(index, count).of(asked) if count <= len(asked) else []
            if (index, count) not in given and episodes and lacking.issuperset(episodes):
                found.append((f"part {index} of {count} ({counted(len(episodes), 'episode')})", episodes))
    return found


def listed(texts: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    more = len(texts) - _LISTED
    return "; ".join(texts[:_LISTED]) + (f"; and {more} more" if more > 0 else "")
