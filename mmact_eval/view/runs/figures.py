"""What the episodes of a run, or of several parts of one, come to."""

from __future__ import annotations

import functools
import math
from collections import Counter
from typing import Any

from mmact_eval.statistics.lengths import average_length
from mmact_eval.statistics.rates import clopper_pearson
from mmact_eval.view.runs.counts import Tally


def figures(tally: Tally, stages: int) -> dict[str, Any]:
    """Success with its interval and, where there are stages, the average length with its own; JSON-ready.

    Args:
        tally: of the episodes.
        stages: of each episode.
    """
    low, high = _interval(tally.successes, tally.completed)
    rate = tally.successes / tally.completed if tally.completed else None
    found = {"successes": tally.successes, "completed": tally.completed, "rate": rate, "low": low, "high": high}
    return found | ({"length": _length(tuple(sorted(tally.lengths.items())), stages)} if tally.lengths else {})


def total(tallies: list[Tally]) -> Tally:
    """The sum of tallies of different episodes."""
    return Tally(
        successes=sum(tally.successes for tally in tallies),
        failures=sum(tally.failures for tally in tallies),
        errors=sum(tally.errors for tally in tallies),
        queries=sum(tally.queries for tally in tallies),
        lengths=sum((tally.lengths for tally in tallies), Counter()),
        last_error=next((tally.last_error for tally in reversed(tallies) if tally.last_error), ""),
    )


@functools.lru_cache(4096)
def _interval(successes: int, completed: int) -> tuple[float, float]:
    return clopper_pearson(successes, completed)


@functools.lru_cache(1024)
def _length(lengths: tuple[tuple[int, int], ...], stages: int) -> dict[str, Any] | None:
    counts = [0] * (max([stages, *(length for length, _ in lengths)]) + 1)
    for length, number in lengths:
        counts[length] = number
    if not any(counts):
        return None
    value, low, high = average_length(counts)
    return {"value": value, "low": low, "high": high, "of": stages} if math.isfinite(value) else None
