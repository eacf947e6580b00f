"""Several runs of the same as one run: parts of it (``--shard``), or half the tasks from one machine and half from
another.

What comes of it is the run folder that one undivided run would have made: reports are equal but for times, and the
ordinary command goes on with it. ``sessions.jsonl`` has the sessions of all, and a last line that says what was merged.
"""

from __future__ import annotations

import datetime
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmact_eval import registry
from mmact_eval.derived.agreement import remarks, require_same
from mmact_eval.derived.asked_for import asked_differently, commands_for
from mmact_eval.derived.building import bring_artifacts, bring_logs, holds_something, whole_folder
from mmact_eval.derived.earlier_merge import earlier_merge, require_kept
from mmact_eval.derived.sources import Source, left_aside, opened, parts_of
from mmact_eval.derived.together import Together, absent, listed, missing, together
from mmact_eval.errors import RunFolderError, UsageError
from mmact_eval.machine import host
from mmact_eval.runs.episodes import suite_tasks
from mmact_eval.runs.files.episode_log import to_line
from mmact_eval.runs.files.rescue import write_manifest
from mmact_eval.runs.manifest import Manifest
from mmact_eval.runs.shard import whole_plan, without_shard
from mmact_eval.types import Episode


@dataclass(frozen=True)
class Merged:
    """What was merged.

    Attributes:
        folder: the run folder.
        runs: how many it was made of.
        episodes: how many have a result.
        doubles: of these, how many several runs have completed.
        missing: what was asked for and is not there, in words.
        commands: of the whole run, which go on with it given ``--out``; one, unless no single one asks for all that is
            missing.
        notes: what is to be known, a sentence each, without its stop.
    """

    folder: Path
    runs: int
    episodes: int
    doubles: int
    missing: Sequence[str]
    commands: Sequence[Sequence[str]]
    notes: Sequence[str]


def merge(
    folders: Sequence[Path],
    out: Path,
    allow_missing: bool = False,
    allow_renderer: bool = False,
    replace: bool = False,
) -> Merged:
    """Put runs together. Nothing of them is changed, and `out` is there as a whole or not at all.

    Args:
        folders: run folders, or folders with the parts of a run in them.
        out: a folder that is not there yet, or is empty.
        allow_missing: whether episodes that were asked for may lack; the same command as before then does them.
        allow_renderer: whether images may have been drawn by several renderers; the tables will say so.
        replace: whether `out` may be what an earlier merge made of less; nothing that it holds is lost.

    Raises:
        UsageError: a folder is no run's, is given twice, or `out` holds something else.
        RunFolderError: the runs are not of the same, have different results of an episode, are being written, or
            episodes are missing, also those that `out` has.
    """
    found = parts_of(folders)
    if not found:
        raise UsageError("there is nothing to be merged: name run folders.")
    require_outside(out, found)
    with ExitStack() as held, whole_folder(out, replace) as half:
        before = earlier_merge(out, held) if holds_something(out) else None
        merged = merge_into(half, out, opened(found, held), allow_missing, allow_renderer, left_aside(folders))
        if before is not None:
            require_kept(before, half)
        return merged


def merge_into(
    half: Path,
    out: Path,
    sources: Sequence[Source],
    allow_missing: bool,
    allow_renderer: bool,
    aside: Sequence[str] = (),
) -> Merged:
    """Write the run folder of these sources; see `merge`.

    Args:
        half: where to write it, an empty folder.
        out: where it will be.
        sources: open.
        allow_missing, allow_renderer: see `merge`.
        aside: what was found beside them and is not merged, in words.
    """
    require_same(sources, allow_renderer)
    whole = together(sources)
    warnings = [*(warning.rstrip(".") for source in sources for warning in source.run.warnings), *aside]
    lacking, differently = missing(sources, whole.results), asked_differently(sources)
    if lacking and not allow_missing:
        raise RunFolderError(_refused(lacking, differently, warnings))
    manifest, scope = _manifest(sources, whole)
    write_manifest(half, manifest)
    files = sum(bring_artifacts(result, whole.folders[result.episode], half) for result in whole.results.values())
    lines = [to_line(whole.results[episode], manifest.fingerprint_digest) for episode in sorted(whole.results)]
    (half / "episodes.jsonl").write_text("".join(lines), encoding="utf-8")
    (half / "sessions.jsonl").write_text("".join(_sessions(sources, scope, allow_renderer)), encoding="utf-8")
    bring_logs(_names(sources), half)
    notes = [*remarks(sources), *warnings]
    notes += [f"the parts were not asked for the same episodes: {'; '.join(differently)}"] if differently else []
    notes += [f"{files} videos and other files of episodes were brought along"] if files else []
    commands = commands_for(sources, absent(sources, whole.results))
    return Merged(out, len(sources), len(whole.results), len(whole.doubles), lacking, commands, notes)


def _refused(lacking: Sequence[str], differently: Sequence[str], warnings: Sequence[str]) -> str:
    """What is missing, why, as far as that is known, and what to do.

    Args:
        lacking: see `missing`.
        differently: see `asked_differently`.
        warnings: what else may be the reason.
    """
    either = "or --allow-missing, and the run's command goes on with what comes of it."
    if not differently:
        why = f" ({'; '.join(warnings)})" if warnings else ""
        return f"missing: {listed(lacking)}{why}. Run them and merge again; {either}"
    lines = "\n".join(f"  - {line}" for line in differently)
    return (
        f"the parts were not asked for the same episodes:\n{lines}\nSo these are missing: {listed(lacking)}.\n"
        "Give all parts the same --tasks, --episodes and --init-states: run those again that had others (what is done "
        f"is kept), and merge again; {either}"
    )


def require_outside(out: Path, folders: Sequence[Path]) -> None:
    """Check that what is made is not made within what it is made of.

    Raises:
        UsageError: it is.
    """
    for folder in folders:
        if out.resolve().is_relative_to(folder.resolve()):
            raise UsageError(f"{out} is in {folder}, which is to be merged; choose a folder outside of it with --out.")


def _manifest(sources: Sequence[Source], whole: Together) -> tuple[Manifest, dict[str, Any]]:
    """The manifest of the whole run, and what was asked for in it, with its plan."""
    first = sources[0].run.manifest
    planned = _planned(sources, whole)
    per_task = Counter(episode.task for episode in planned)
    even = len(set(per_task.values())) == 1 or all(source.shard for source in sources)
    scope = {
        "tasks": list(per_task),
        "tasks_in_suite": first.tasks_in_suite,
        "episodes_planned": len(planned) if even else dict(per_task),
    }
    data = {key: value for key, value in first.to_json().items() if key != "shard"}
    data |= {"created": min(source.run.manifest.created for source in sources), "command": without_shard(first.command)}
    return Manifest.parse({**data, **scope}), {**scope, "plan": whole_plan(planned)}


def _planned(sources: Sequence[Source], whole: Together) -> list[Episode]:
    """The episodes of the whole run, task by task in the benchmark's order."""
    episodes = dict.fromkeys(
        [*(episode for source in sources for episode in source.asked or ()), *sorted(whole.results)]
    )
    manifest = sources[0].run.manifest
    try:
        suite = manifest.suite_asked()
        tasks = [task.name for task in suite_tasks(registry.env_plugin(suite.env), suite)]
    except Exception:  # the environment is not installed here, or is another version: as they were given
        tasks = list(dict.fromkeys(task for source in sources for task in source.run.manifest.tasks))
    place = {task: number for number, task in enumerate(tasks)}
    return sorted(episodes, key=lambda episode: place.get(episode.task, len(place)))


def _sessions(sources: Sequence[Source], scope: Mapping[str, Any], allow_renderer: bool) -> list[str]:
    """The lines of all sessions, and one for what is done here."""
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    records = [session.to_json() for source in sources for session in source.run.sessions]
    here: dict[str, Any] = {"time": now, "event": "merge", "command": host.command_line(), **scope}
    here["merged"] = [str(source.run.folder) for source in sources]
    here |= {"options": {"allow_renderer": True}} if allow_renderer else {}
    return [json.dumps(record) + "\n" for record in (*records, here)]


def _names(sources: Sequence[Source]) -> dict[str, Path]:
    """A name for the logs of each run."""
    names: dict[str, Path] = {}
    for source in sources:
        folder = source.run.folder
        name = folder.name if folder.name not in names else f"{folder.parent.name}-{folder.name}"
        names[name if name not in names else f"{len(names)}-{name}"] = folder
    return names
