"""Two arms on the same episodes: exact McNemar test, an interval of the difference that fits it.

An episode fixes the scene and all randomness, so two arms are compared episode by episode. Episodes in which both do
the same tell nothing about which is better; all evidence is in the *discordant* pairs, which exactly one arm solves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from mmact_eval.statistics.level import CONFIDENCE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class PairCounts:
    """Outcomes of pairs of episodes, counted.

    Attributes:
        both: pairs that both arms solved.
        only_a: pairs that only the first arm solved.
        only_b: pairs that only the second arm solved.
        neither: pairs that no arm solved.
    """

    both: int = 0
    only_a: int = 0
    only_b: int = 0
    neither: int = 0

    @classmethod
    def of(cls, pairs: Iterable[tuple[bool, bool]]) -> PairCounts:
        """Count pairs (first arm solved it, second arm solved it)."""
        counted = [0, 0, 0, 0]
        for a, b in pairs:
            counted[2 * a + b] += 1
        return cls(both=counted[3], only_a=counted[2], only_b=counted[1], neither=counted[0])

    @property
    def n(self) -> int:
        """All pairs."""
        return self.both + self.discordant + self.neither

    @property
    def discordant(self) -> int:
        """Pairs that exactly one arm solved."""
        return self.only_a + self.only_b

    @property
    def difference(self) -> float:
        """Success rate of the second arm minus that of the first, -1 to 1; NaN without pairs."""
        return (self.only_b - self.only_a) / self.n if self.n else math.nan


def mcnemar(counts: PairCounts) -> float:
    """The exact two-sided p-value that both arms solve equally many (McNemar 1947, in its exact binomial form).

    Given the discordant pairs, each arm wins each with probability 1/2 if the arms do not differ. Without discordant
    pairs the answer is 1: identical arms are not "significantly" anything, which the continuity-corrected version
    gets wrong.
    """
    return min(1.0, 2.0 * _tail(min(counts.only_a, counts.only_b), counts.discordant))


def better_p_value(counts: PairCounts) -> float:
    """The exact one-sided p-value of "the second arm is not better than the first"; small if it is better.

    It stays valid if the advantage varies over episodes: sums of unequal coin tosses have lighter tails than those of
    equal ones (Hoeffding, Ann. Math. Stat. 1956).
    """
    return _tail(counts.only_a, counts.discordant)


def _tail(wins: int, tosses: int) -> float:
    """P(at most `wins` heads in `tosses` of a fair coin)."""
    from scipy.special import bdtr

    return float(bdtr(wins, tosses, 0.5)) if tosses else 1.0


def difference_interval(counts: PairCounts, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """A two-sided interval for the difference of success rates, second arm minus first, that fits the exact test.

    The difference is ψ(2θ - 1), with ψ the probability of a discordant pair and θ that of the second arm winning one.
    Each has its exact (Clopper–Pearson) confidence distributions, a beta distribution for the lower and one for the
    upper limit; "melding" them gives limits of the difference (Fay & Lumbard, Statistics in Medicine 40, 2021,
    1147-1159). The interval excludes 0 exactly when `mcnemar` gives p ≤ 1 - confidence. It covers at least what it
    says in all that its authors and our tests computed; there is no proof.

    Returns:
        (low, high) in [-1, 1]; (-1, 1) without pairs.

    Raises:
        ValueError: `confidence` is out of range.
    """
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence}")
    if not counts.n:
        return -1.0, 1.0
    tail = (1.0 - confidence) / 2.0
    low = _lower_limit(counts.only_b, counts.only_a, counts.n, tail)
    high = -_lower_limit(counts.only_a, counts.only_b, counts.n, tail)
    return low, high


@lru_cache(maxsize=4096)
def _lower_limit(wins: int, losses: int, n: int, tail: float) -> float:
    """The `tail` quantile of ψ(2θ - 1), with θ from its lower confidence distribution, Beta(wins, losses + 1).

    Where θ > 1/2 a small ψ makes the product small, so ψ comes from its lower confidence distribution; where θ < 1/2
    from its upper one. The halves are integrated over θ's distribution function by Gauss' rule.
    """
    from numpy.polynomial.legendre import leggauss
    from scipy.optimize import brentq
    from scipy.special import betainc, betaincc, betaincinv

    discordant = wins + losses
    if wins == 0:  # θ is 0
        return -1.0 if discordant == n else -float(betaincinv(discordant + 1, n - discordant, 1.0 - tail))
    behind = _tail(losses, discordant)  # P(θ < 1/2), which is the one-sided p-value
    if behind > tail and discordant == n:  # ψ is 1
        return 2.0 * float(betaincinv(wins, losses + 1, tail)) - 1.0
    sign = 1.0 if behind <= tail else -1.0
    quadrature: Callable[[int], tuple[NDArray[np.float64], NDArray[np.float64]]] = leggauss  # untyped in numpy 1
    nodes, weights = quadrature(_NODES)

    def excess(size: float) -> float:
        # Only where |2θ - 1| > size is ψ in doubt; below that the integrand is constant, with a kink in between.
        kink = float(betainc(wins, losses + 1, (1.0 + sign * size) / 2.0))
        start, width = (kink, 1.0 - kink) if sign > 0.0 else (0.0, kink)
        theta = betaincinv(wins, losses + 1, start + width * (nodes + 1.0) / 2.0)
        share = (size / abs(2.0 * theta - 1.0)).clip(max=1.0)
        if sign > 0.0:
            return kink + width / 2.0 * float(weights @ betainc(discordant, n - discordant + 1, share)) - tail
        return tail - width / 2.0 * float(weights @ betaincc(discordant + 1, n - discordant, share))

    size = float(brentq(excess, 0.0, 1.0, xtol=1e-10))
    return sign * size


_NODES = 160
"""Points of the quadrature; the limits then agree with those of 400 points to 1e-6."""
