"""Several run folders as one run: halves of a suite from two machines, say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmact_eval.errors import RunFolderError, UsageError
from mmact_eval.results.comparable import is_allowed
from mmact_eval.results.facts import RunFacts
from mmact_eval.runs.fingerprint import differences
from mmact_eval.runs.reading import Run
from mmact_eval.types import Episode, EpisodeResult
from mmact_eval.wording import counted

_NOT_ASKED: Mapping[str, Any] = {"tasks": [], "episodes_planned": None}


def pooled(runs: Sequence[Run], names: Sequence[str], allow: Sequence[str] = ()) -> tuple[list[Run], list[str]]:
    """Make one run of those of a suite that were given the same name.

    Args:
        runs: as they were read.
        names: for each the name that the user gave it, or "", which pools nothing.
        allow: fields of the fingerprint in which they may differ (see `mmact_eval.results.comparable`).

    Returns:
        The runs that are left, in the order in which each name came first, and their names.

    Raises:
        UsageError: they were made differently.
        RunFolderError: they have different results of an episode.
    """
    groups: dict[tuple[str, str], list[Run]] = {}
    for number, (run, name) in enumerate(zip(runs, names, strict=True)):
        groups.setdefault((name, run.suite) if name else ("", str(number)), []).append(run)
    return [_pool(name, group, allow) for (name, _), group in groups.items()], [name for name, _ in groups]


def _pool(name: str, runs: Sequence[Run], allow: Sequence[str]) -> Run:
    first, *others = runs
    if not others:
        return first
    for other in others:
        changed = differences(first.fingerprint, other.fingerprint)
        refused = [line for line in changed if not is_allowed(line.field, allow)]
        if refused:
            raise UsageError(
                f'{first.folder} and {other.folder} would both be called "{name}" and count as one run, but they were '
                f"made differently ({'; '.join(refused)}). Give them different names; or --allow FIELD, if it is no "
                "matter."
            )
    results, folders, repeated = _results(runs)
    notes = [f"{len(runs)} runs count as one: {', '.join(str(run.folder) for run in runs)}."]
    notes += dict.fromkeys(
        f"They differ: {line}." for other in others for line in differences(first.fingerprint, other.fingerprint)
    )
    if repeated:
        are = counted(repeated, "episode is", "episodes are")
        notes.append(f"{are} in more than one of them with the same result; each counts once.")
    return replace(
        first,
        manifest=first.manifest.model_copy(update=_asked(runs, repeated)),
        sessions=[session.model_copy(update=_NOT_ASKED) for run in runs for session in run.sessions],
        results=tuple(results[episode] for episode in sorted(results)),
        warnings=(*notes, *(warning for run in runs for warning in run.warnings)),
        folders=folders,
    )


def _results(runs: Sequence[Run]) -> tuple[dict[Episode, EpisodeResult], dict[Episode, Path], int]:
    """The results of all, the folder of each, and how many were there more than once."""
    found: dict[Episode, EpisodeResult] = {}
    folders: dict[Episode, Path] = {}
    repeated = 0
    for run in runs:
        for result in run.results:
            before = found.get(result.episode)
            completed = before is not None and before.outcome != "error"
            if before is not None and completed and result.outcome != "error":
                repeated += 1
                if before.reproducible() != result.reproducible():
                    raise RunFolderError(
                        f"{folders[result.episode]} and {run.folder} have different results of {result.episode.key}, "
                        "so they cannot count as one run. Give them different names to compare them."
                    )
            if not completed:
                found[result.episode], folders[result.episode] = result, run.folder
    return found, folders, repeated


def _asked(runs: Sequence[Run], repeated: int) -> Mapping[str, Any]:
    """What was asked for in all of them together: tasks, and episodes of each, as far as it is known."""
    facts = [RunFacts(run.manifest, run.sessions) for run in runs]
    tasks = list(dict.fromkeys(task for one in facts for task in one.tasks))
    if repeated:
        return {"shard": None, "tasks": tasks, "episodes_planned": None}  # nobody knows how many were asked for twice
    planned = {task: [number for one in facts if (number := one.asked(task)) is not None] for task in tasks}
    return {
        "shard": None,
        "tasks": tasks,
        "episodes_planned": {task: sum(numbers) for task, numbers in planned.items() if numbers},
    }
