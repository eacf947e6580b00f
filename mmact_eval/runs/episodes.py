"""Which episodes a run consists of (tasks × init states, from what the user typed), and which of them are left."""

from __future__ import annotations

import fnmatch
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmact_eval.errors import UsageError, did_you_mean
from mmact_eval.protocols import EnvPlugin, Task
from mmact_eval.runs.missing_videos import without_video
from mmact_eval.runs.request import RunRequest
from mmact_eval.suite import Suite
from mmact_eval.types import Episode, EpisodeResult
from mmact_eval.wording import counted

_NUMPY_SEEDS = 2**32 - 1
"""The largest seed of numpy's global generator."""


def suite_tasks(plugin: EnvPlugin, suite: Suite) -> list[Task]:
    """The tasks of a suite: those its file names, in its order, or all that the environment has for it.

    Raises:
        UsageError: the file names a task that does not exist.
    """
    found = {task.name: task for task in plugin.tasks(suite)}
    for name in suite.tasks:
        if name not in found:
            raise UsageError(f'suite {suite.name}, tasks: there is no task "{name}".{did_you_mean(name, found)}')
    return [found[name] for name in suite.tasks] if suite.tasks else list(found.values())


def select_tasks(tasks: Sequence[Task], wanted: str | None) -> list[Task]:
    """Filter tasks by a comma-separated list of numbers (``0,3``), ranges (``2-5``), names or patterns (``*milk*``).

    Raises:
        UsageError: an entry matches nothing.
    """
    if not wanted:
        return list(tasks)
    chosen: dict[str, Task] = {}
    for entry in (part.strip() for part in wanted.split(",")):
        if entry:
            for task in _matching(tasks, entry):
                chosen[task.name] = task
    if not chosen:
        raise UsageError(f'--tasks "{wanted}" names no task.')
    return [task for task in tasks if task.name in chosen]


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _matching(tasks: Sequence[Task], entry: str) -> list[Task]:
    first, dash, last = entry.partition("-")
    if _is_number(first) and (_is_number(last) if dash else True):
        low, high = int(first), int(last or first)
        if high >= len(tasks) or low > high:
            raise UsageError(f'there is no task "{entry}": the suite has tasks 0 to {len(tasks) - 1}.')
        return list(tasks[low : high + 1])
    names = [task.name for task in tasks]
    found = [task for task in tasks if fnmatch.fnmatchcase(task.name, entry)]
    if not found:
        raise UsageError(
            f'no task is called "{entry}".{did_you_mean(entry, names)} '
            "See `mmact-eval list tasks --suite …`; numbers, ranges (2-5) and patterns (*milk*) work too."
        )
    return found


def select_init_states(wanted: str | None, task: Task) -> Sequence[int]:
    """The init states of a task that a user names by numbers and ranges, ``0-19,25``, in this order; all for None.

    Raises:
        UsageError: the text names none, or one that the task does not have.
    """
    if wanted is None:
        return range(task.init_states)
    chosen: dict[int, None] = {}
    for entry in (part.strip() for part in wanted.split(",")):
        first, dash, last = entry.partition("-")
        if not _is_number(first) or (dash and not _is_number(last)):
            raise UsageError(f'--init-states takes numbers and ranges, such as 0-19 or 3,7; not "{wanted}".')
        low, high = int(first), int(last or first)
        if low > high or high >= task.init_states:
            raise UsageError(
                f'there are no init states "{entry}": task "{task.name}" has init states 0 to {task.init_states - 1}.'
            )
        chosen.update(dict.fromkeys(range(low, high + 1)))
    return list(chosen)


def plan_episodes(
    suite: Suite, tasks: Sequence[Task], episodes: int | None, seed: int, init_states: str | None = None
) -> list[Episode]:
    """The first `episodes` episodes of each task, task by task. None: as many as the suite says; where init states are
    named, one from each, if that is not more.

    Episode k starts from init state k, or from the k-th of those that are wanted (see `select_init_states`). When a
    task has fewer init states than episodes are asked for, the next round over them uses the next seed, so that no
    episode is a repetition of another.

    Raises:
        UsageError: init states that a task does not have; in seed mode ``upstream`` a seed that numpy does not take,
            or more than one round, as its scenes are a sequence of one seed.
    """
    if suite.protocol.seed_mode == "upstream" and not 0 <= seed <= _NUMPY_SEEDS:
        raise UsageError(f'in seed mode "upstream" numpy takes the seed: 0 to {_NUMPY_SEEDS}, not {seed} (--seed).')
    planned = []
    for task in tasks:
        starts = select_init_states(init_states, task)
        number = episodes or suite.protocol.episodes
        if episodes is None and init_states is not None:
            number = min(number, len(starts))
        if number > len(starts) and suite.protocol.seed_mode == "upstream":
            there = counted(len(starts), "init state")
            raise UsageError(
                f'task "{task.name}" has {there} to start from; seed mode "upstream" cannot '
                f"run {counted(number, 'episode')}. Use --episodes {len(starts)} or --set protocol.seed_mode=episode."
            )
        for k in range(number):
            round_, place = divmod(k, len(starts))
            planned.append(Episode(suite.name, task.name, starts[place], seed + round_))
    return planned


def shuffled(episodes: Sequence[Episode], key: int) -> list[Episode]:
    """The same episodes in another order; results do not depend on it."""
    mixed = list(episodes)
    random.Random(key).shuffle(mixed)
    return mixed


def pending_episodes(
    request: RunRequest, planned: Sequence[Episode], done: Mapping[Episode, EpisodeResult], folder: Path
) -> list[Episode]:
    """What is left to do. Episodes that ended in errors are tried again, after those that were never tried.

    Last come those that are done and have no video in `folder` though it is asked for.
    """
    fresh = [episode for episode in planned if episode not in done]
    again = [episode for episode in planned if episode in done and done[episode].outcome == "error"]
    completed = [done[episode] for episode in planned if episode in done and done[episode].outcome != "error"]
    unseen = [result.episode for result in without_video(folder, request.video, completed)]
    if request.shuffle is not None:
        fresh, again, unseen = (shuffled(part, request.shuffle) for part in (fresh, again, unseen))
    pending = fresh + again + unseen
    return pending if request.limit is None else pending[: request.limit]
