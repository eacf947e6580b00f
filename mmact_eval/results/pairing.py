"""Two arms on one suite, episode by episode."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from mmact_eval.results.comparable import EPISODES, protocol_differences, scene_difference
from mmact_eval.results.metrics import comparing
from mmact_eval.results.metrics.comparing import Differences
from mmact_eval.runs.reading import Run
from mmact_eval.statistics.level import ALPHA, CONFIDENCE
from mmact_eval.statistics.many import holm
from mmact_eval.statistics.paired import PairCounts, difference_interval, mcnemar
from mmact_eval.statistics.power import smallest_detectable_difference
from mmact_eval.types import About, Episode, EpisodeResult


@dataclass(frozen=True)
class Pairing:
    """The second arm against the first on the episodes that both completed. All differences are second minus first.

    Attributes:
        first, second: names of the arms.
        counts: pairs of completed episodes.
        counts_all: pairs of episodes that both have, an error counted as not solved.
        tasks: for each task the counts of completed pairs.
        missing_first, missing_second: episodes that only the other arm has.
        identical: every pair ended in the same simulator state after the same number of steps.
        blocked: why the two must not be compared, a sentence each; empty if they may.
        p_holm: the p-value adjusted for the other pairings of the report; the plain one if there are none.
        measures: the differences in other metrics than the success rate, by the metric's key.
    """

    first: str
    second: str
    counts: PairCounts
    counts_all: PairCounts
    tasks: Mapping[str, PairCounts]
    missing_first: int
    missing_second: int
    identical: bool
    blocked: tuple[About, ...] = ()
    p_holm: float = math.nan
    measures: Differences = field(default_factory=dict)

    @property
    def left_out(self) -> int:
        """Pairs that both have but in which an arm ended in an error."""
        return self.counts_all.n - self.counts.n

    @cached_property
    def p_value(self) -> float:
        """Exact two-sided McNemar."""
        return mcnemar(self.counts)

    @cached_property
    def interval(self) -> tuple[float, float]:
        """Of the difference, at the level of `mmact_eval.statistics.level`."""
        return self.interval_at(CONFIDENCE)

    def interval_at(self, confidence: float) -> tuple[float, float]:
        """Of the difference, at another level."""
        return difference_interval(self.counts, confidence)

    @cached_property
    def detectable(self) -> float:
        """The smallest difference that so many pairs, with so many flips, show with the power of `level`."""
        return self.detectable_at(ALPHA)

    def detectable_at(self, alpha: float) -> float:
        """The same for a test at another level."""
        share = self.counts.discordant / self.counts.n if self.counts.n else 0.0
        return smallest_detectable_difference(self.counts.n, share, alpha=alpha)


def pair(first: str, run_a: Run, second: str, run_b: Run, allow: Sequence[str] = ()) -> Pairing:
    """Set two runs of one suite beside each other.

    Args:
        first, second: names of the arms.
        run_a, run_b: their runs.
        allow: protocol fields that may differ (see `mmact_eval.results.comparable`).
    """
    a = {result.episode: result for result in run_a.results}
    b = {result.episode: result for result in run_b.results}
    common = [(a[episode], b[episode]) for episode in a if episode in b]
    completed = [(x, y) for x, y in common if "error" not in (x.outcome, y.outcome)]
    blocked = protocol_differences(run_a.fingerprint, run_b.fingerprint, allow)
    blocked += scene_difference(a, b, allow)
    if not completed:
        blocked += (_nothing_in_common(first, a, second, b),)
    by_task: dict[str, list[tuple[EpisodeResult, EpisodeResult]]] = {}
    for x, y in completed:
        by_task.setdefault(x.episode.task, []).append((x, y))
    return Pairing(
        first=first,
        second=second,
        counts=_count(completed),
        counts_all=_count(common),
        tasks={task: _count(pairs) for task, pairs in by_task.items()},
        missing_first=len(b) - len(common),
        missing_second=len(a) - len(common),
        identical=bool(completed) and all(x.final_hash and x.course() == y.course() for x, y in completed),
        blocked=blocked,
    )


def _count(pairs: Sequence[tuple[EpisodeResult, EpisodeResult]]) -> PairCounts:
    return PairCounts.of((a.outcome == "success", b.outcome == "success") for a, b in pairs)


def _nothing_in_common(
    first: str, a: Mapping[Episode, EpisodeResult], second: str, b: Mapping[Episode, EpisodeResult]
) -> About:
    for arm, results in ((first, a), (second, b)):
        if not any(result.outcome != "error" for result in results.values()):
            return About(EPISODES, f"{arm} has no completed episode")
    return About(EPISODES, f"no episode was completed by both {first} and {second}")


def adjusted(pairings: Sequence[Pairing]) -> tuple[Pairing, ...]:
    """The same with Holm's correction over those that may be compared."""
    valid = [pairing for pairing in pairings if not pairing.blocked]
    corrected = iter(holm([pairing.p_value for pairing in valid]))
    measures = iter(comparing.adjusted([pairing.measures for pairing in valid]))
    return tuple(
        pairing if pairing.blocked else replace(pairing, p_holm=next(corrected), measures=next(measures))
        for pairing in pairings
    )
