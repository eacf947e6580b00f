"""What the parts of a run were asked for: whether it was the same, and the commands that do what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from mmact_eval.derived.sources import Source
from mmact_eval.runs.shard import planned, without_shard
from mmact_eval.specs import in_ranges
from mmact_eval.types import Episode
from mmact_eval.wording import counted

_LISTED = 5


def asked_differently(sources: Sequence[Source]) -> list[str]:
    """For what the parts were asked, a line for each plan, if there are several; else none.

    Which episodes a part has depends on the whole plan: parts of different ones leave episodes out, and share some.

    Args:
        sources: of one fingerprint.
    """
    by_count: dict[int, dict[tuple[Episode, ...], list[Source]]] = {}
    for source in sources:
        if source.shard is not None and source.asked is not None:
            by_count.setdefault(source.shard.count, {}).setdefault(source.asked, []).append(source)
    lines = []
    for plans in by_count.values():
        if len(plans) > 1:
            names_tasks = len({tuple(dict.fromkeys(episode.task for episode in plan)) for plan in plans}) > 1
            lines += [f"{_listed([one.name for one in found])}: {_told(plan, names_tasks)}"
                      for plan, found in plans.items()]  # fmt: skip
    return lines


def commands_for(sources: Sequence[Source], absent: Sequence[Episode]) -> list[list[str]]:
    """The commands, as they were typed but for ``--shard``, that together ask for some episodes.

    Args:
        sources: of one fingerprint.
        absent: episodes that they were asked for.

    Returns:
        As few as possible. The first run's if no command is known to ask for any of them.
    """
    asked = [(frozenset(plan), command) for source in sources for plan, command in _starts(source)]
    lacking, found = set(absent), []
    while lacking and asked:
        plan, command = max(asked, key=lambda one: len(lacking & one[0]))
        if not lacking & plan:
            break
        lacking -= plan
        found.append(command)
    return found or [without_shard(sources[0].run.manifest.command)]


def _starts(source: Source) -> Iterator[tuple[list[Episode], list[str]]]:
    """What each start of a run asked for, of all parts, and its command."""
    for session in source.run.sessions:
        if session.event == "start" and session.plan and session.command:
            try:
                yield planned(source.run.suite, session.plan), without_shard(session.command)
            except ValueError:  # edited by somebody
                continue


def _told(plan: Sequence[Episode], names_tasks: bool) -> str:
    """``10 episodes, 5 of each of 2 tasks, init states 0-4``."""
    per_task = Counter(episode.task for episode in plan)
    numbers = sorted(set(per_task.values()))
    each = str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
    tasks = f" ({_listed(list(per_task))})" if names_tasks else ""
    init_states = {episode.init_state for episode in plan}
    states = f"init state{'s' * (len(init_states) > 1)} {_listed(in_ranges(init_states).split(','))}"
    return f"{counted(len(plan), 'episode')}, {each} of each of {counted(len(per_task), 'task')}{tasks}, {states}"


def _listed(texts: Sequence[str]) -> str:
    more = len(texts) - _LISTED
    return ", ".join(texts[:_LISTED]) + (f" and {more} more" if more > 0 else "")
