"""Parts of a run: which episodes part i of n has, so that a batch system can run the parts wherever it likes.

A part follows from the plan and (i, n) alone. It is a stretch of the plan, which goes task by task, so that at most
n - 1 tasks are in two parts, and no part has more than one episode more than another. It is no part of an episode's
identity, nor of the fingerprint: put together (`mmact_eval.derived.merge`), the parts are the run.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from mmact_eval.errors import UsageError
from mmact_eval.types import Episode

WholePlan = Mapping[str, Mapping[str, str]]
"""The episodes of a run, of all its parts: task → seed → init states, as in ``0-19,25``, in order."""

SLURM = "slurm"
"""Stands for the place in a Slurm array."""

_OPTION = "--shard"


@dataclass(frozen=True)
class Shard:
    """Part `index` (from 0) of `count`."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @property
    def folder(self) -> str:
        """``shard-0-of-3``: the name of its folder."""
        return f"shard-{self.index}-of-{self.count}"

    def of(self, episodes: Sequence[Episode]) -> list[Episode]:
        """The part's episodes, in the order of the plan.

        Args:
            episodes: the whole plan.

        Raises:
            UsageError: there are more parts than episodes.
        """
        if self.count > len(episodes):
            raise UsageError(
                f"{_OPTION} {self}: there are {len(episodes)} episodes, and {self.count} parts of them are asked for. "
                f"Ask for {len(episodes)} parts at most."
            )
        first, last = (len(episodes) * k // self.count for k in (self.index, self.index + 1))
        return by_task(episodes)[first:last]


def is_part(name: str) -> bool:
    """Whether a folder is called as a part's is."""
    return re.fullmatch(r"shard-\d+-of-\d+", name) is not None


def parse_shard(text: str, environment: Mapping[str, str] = os.environ) -> Shard:
    """``0/3``, or ``slurm`` for the place in the array that this process is a task of.

    Args:
        text: as typed.
        environment: of the process.

    Raises:
        UsageError: it is no part, or the array does not tell one.
    """
    if text == SLURM:
        return _of_array(environment)
    found = re.fullmatch(r"(\d+)/(\d+)", text, re.ASCII)
    if found is None:
        raise UsageError(f'{_OPTION} takes i/n, the parts numbered from 0, such as 0/3; or {SLURM}; not "{text}".')
    index, count = int(found[1]), int(found[2])
    if index >= count:
        numbered = f"{count} parts are numbered 0 to {count - 1}" if count else "a run has one part at least, 0/1"
        raise UsageError(f"{_OPTION} {text}: {numbered}.")
    return Shard(index, count)


def _of_array(environment: Mapping[str, str]) -> Shard:
    """Arrays from 0 in steps of 1. Others are refused: ``--array=2`` may stand for part 2 of any number."""
    values = {name: environment.get(f"SLURM_ARRAY_TASK_{name}", "") for name in ("ID", "MIN", "MAX", "COUNT")}
    if not values["ID"]:
        raise UsageError(
            f"{_OPTION} {SLURM}: this is no task of a Slurm array (SLURM_ARRAY_TASK_ID is not set). Submit it with "
            f"`sbatch --array=0-2`, or say {_OPTION} 0/3."
        )
    if not all(value.isascii() and value.isdigit() for value in values.values()):
        told = ", ".join(f"SLURM_ARRAY_TASK_{name}={value}" for name, value in values.items())
        raise UsageError(f"{_OPTION} {SLURM}: the array cannot be understood ({told}). Say {_OPTION} 0/3.")
    number, low, high, count = (int(values[name]) for name in ("ID", "MIN", "MAX", "COUNT"))
    if count < 2 or (low, high) != (0, count - 1) or number > high:
        raise UsageError(
            f"{_OPTION} {SLURM} takes arrays from 0 without gaps, such as --array=0-2, and this one has "
            f"{count} of the numbers {low} to {high}. For some of the parts again, say which of how many: "
            f'{_OPTION} "$SLURM_ARRAY_TASK_ID/3".'
        )
    return Shard(number, count)


def without_shard(command: Iterable[object]) -> list[str]:
    """The command of the whole run."""
    words = list(map(str, command))
    return [
        word
        for number, word in enumerate(words)
        if not (word == _OPTION or word.startswith(f"{_OPTION}=") or (number and words[number - 1] == _OPTION))
    ]


def whole_plan(episodes: Iterable[Episode]) -> dict[str, dict[str, str]]:
    """Episodes of one suite in few words; see `WholePlan`."""
    found: dict[str, dict[str, list[int]]] = {}
    for episode in episodes:
        found.setdefault(episode.task, {}).setdefault(str(episode.seed), []).append(episode.init_state)
    return {
        task: {seed: ",".join(_stretches(states)) for seed, states in seeds.items()} for task, seeds in found.items()
    }


def planned(suite: str, plan: WholePlan) -> list[Episode]:
    """The episodes that `whole_plan` told.

    Raises:
        ValueError: it is none.
    """
    return [
        Episode(suite, task, state, int(seed))
        for task, seeds in plan.items()
        for seed, states in seeds.items()
        for state in chain.from_iterable(map(_numbers, states.split(",")))
    ]


def number_planned(plan: WholePlan) -> int | None:
    """How many episodes `whole_plan` told, without making them; None if it is none."""
    states = (stretch for seeds in plan.values() for told in seeds.values() for stretch in told.split(","))
    try:
        return sum(map(len, map(_numbers, states)))
    except (ValueError, OverflowError):
        return None


def by_task(episodes: Sequence[Episode]) -> list[Episode]:
    """The same task by task, in the order in which each came first: the order that a plan in few words keeps."""
    return planned(episodes[0].suite, whole_plan(episodes)) if episodes else []


def _stretches(states: Sequence[int]) -> Iterator[str]:
    """``0-19``, ``25``."""
    first = before = None
    for state in (*states, None):
        if before is not None and state == before + 1:
            before = state
            continue
        if first is not None:
            yield f"{first}-{before}" if before != first else str(first)
        first = before = state


def _numbers(stretch: str) -> range:
    first, _, last = stretch.partition("-")
    return range(int(first), int(last or first) + 1)
