"""Better or equal, worse, or too few episodes to tell: what a comparison comes to.

`compare_runs` is what `mmact-eval compare` and `Results.compare` both do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mmact_eval.errors import UsageError
from mmact_eval.results.metrics.comparing import Differences
from mmact_eval.results.pairing import Pairing
from mmact_eval.results.report_data import SuiteReport
from mmact_eval.results.reporting import other_differences, read_report
from mmact_eval.statistics.level import ALPHA, RATE_TEST, interval_name
from mmact_eval.statistics.paired import PairCounts, difference_interval, mcnemar
from mmact_eval.statistics.power import pairs_needed
from mmact_eval.wording import counted

Kind = Literal["better", "equal", "regression", "underpowered", "not comparable"]

MARGIN = 0.05
"""Loss of success rate that must be excluded, unless one says otherwise."""

EXIT_CODES: dict[Kind, int] = {"better": 0, "equal": 0, "regression": 1, "underpowered": 2, "not comparable": 3}


@dataclass(frozen=True)
class Verdict:
    """What a comparison comes to.

    Attributes:
        kind: in a word.
        reasons: a sentence each.
    """

    kind: Kind
    reasons: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 better or equal, 1 regression, 2 underpowered, 3 not comparable."""
        return EXIT_CODES[self.kind]


def judge(pairing: Pairing, margin: float = MARGIN, alpha: float = ALPHA) -> Verdict:
    """Judge the second arm by the first.

    - ``regression``: it solves significantly fewer episodes (exact McNemar, two-sided p ≤ alpha), however little.
    - ``better``: significantly more.
    - ``equal``: the interval of the difference excludes a loss of `margin` or more, or every pair of rollouts ended in
      the same simulator state.
    - ``underpowered``: none of these; a loss of `margin` can be neither shown nor excluded.
    - ``not comparable``: the protocol differs, or they share no completed episode.

    With errors, the episodes are counted twice: without the pairs in which an arm ended in an error, and with errors
    as not solved. The worse verdict counts, so that a policy which crashes where it used to fail does not pass.

    Args:
        pairing: the two arms.
        margin: loss of success rate that must be excluded, 0 to 1.
        alpha: 1 - confidence.
    """
    if pairing.blocked:
        return Verdict("not comparable", pairing.blocked)
    if pairing.identical and not pairing.left_out:
        pairs = counted(pairing.counts.n, "pair of rollouts", "pairs of rollouts")
        return Verdict("equal", (f"All {pairs} ended in the same simulator state.",))
    found = [_judge(pairing.counts, margin, alpha, "")]
    if pairing.left_out:
        found.append(_judge(pairing.counts_all, margin, alpha, "With errors counted as not solved: "))
    order: list[Kind] = ["regression", "underpowered", "equal", "better"]
    return min(found, key=lambda verdict: order.index(verdict.kind))


def _judge(counts: PairCounts, margin: float, alpha: float, prefix: str) -> Verdict:
    p = mcnemar(counts)
    low, high = difference_interval(counts, 1.0 - alpha)
    gained = counted(counts.only_b, "episode")
    figures = f"{prefix}{gained} gained, {counts.only_a} lost, of {counts.n}; {RATE_TEST} p = {p:.2g}."
    if p <= alpha:
        kind: Kind = "better" if counts.only_b > counts.only_a else "regression"
        return Verdict(kind, (figures,))
    interval = f"{interval_name(1.0 - alpha)} of the difference {100 * low:+.1f} to {100 * high:+.1f} points"
    if low > -margin:
        return Verdict("equal", (figures, f"A loss of {100 * margin:g} points is excluded: {interval}."))
    flips = (counts.discordant + 1) / (counts.n + 1)  # none seen does not mean that there are none
    needed = pairs_needed(margin, flips, alpha=alpha)
    enough = f" About {needed} pairs would be needed if the arms are equal." if needed > counts.n else ""
    return Verdict(
        "underpowered",
        (figures, f"A loss of {100 * margin:g} points can be neither shown nor excluded: {interval}.{enough}"),
    )


class OfTwoSuites(UsageError):
    """Results of two suites, which share no episode.

    Attributes:
        first, second: the suites.
    """

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"these are results on two suites: {first} and {second}.")
        self.first, self.second = first, second


@dataclass(frozen=True)
class Compared:
    """The second of two arms against the first.

    Attributes:
        suite: both arms on it.
        pairing: the pairs of episodes.
        verdict: better, equal, regression, underpowered or not comparable, with reasons.
        others: the differences in other metrics, at the level of the test; empty if they must not be compared.
    """

    suite: SuiteReport
    pairing: Pairing
    verdict: Verdict
    others: Differences


def compare_runs(
    folders: Sequence[Path], names: Sequence[str], allow: Sequence[str], margin: float, alpha: float
) -> Compared:
    """Judge the second arm by the first.

    Args:
        folders: run folders; those with the same name count as one run.
        names: of the arms, "" for one made from what was run; two different ones in all.
        allow: fields of the protocol that may differ.
        margin: loss of success rate that must be excluded, in (0, 1].
        alpha: level of the test, in (0, 1).

    Raises:
        OfTwoSuites: they share no suite.
        UsageError, RunFolderError: as `read_report`.
    """
    report = read_report(folders, names, allow)
    if len(report.suites) > 1:
        first, second = report.suites
        raise OfTwoSuites(first.suite, second.suite)
    (suite,) = report.suites
    (pairing,) = suite.pairings
    others = {} if pairing.blocked else other_differences(suite.arms[0], suite.arms[1], 1.0 - alpha)
    return Compared(suite, pairing, judge(pairing, margin, alpha), others)
