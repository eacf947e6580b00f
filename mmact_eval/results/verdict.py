"""Better or equal, worse, or too few episodes to tell: what a comparison comes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mmact_eval.results.pairing import Pairing
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
