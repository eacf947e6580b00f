"""Intervals for means over episodes: of any number, and of shares of things that an episode has several of."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mmact_eval.statistics.level import CONFIDENCE
from mmact_eval.statistics.rates import beta_interval


def mean_interval(
    values: Sequence[float], weights: Sequence[float] | None = None, confidence: float = CONFIDENCE
) -> tuple[float, float, float]:
    """A mean over independent episodes with Student's t-interval.

    With weights it is the weighted mean, of means over different numbers of things, say; its standard error is that of
    a ratio estimator (Cochran, Sampling Techniques, 1977, section 6.4), which with equal weights is the plain one.

    Args:
        values: one an episode.
        weights: of the episodes, not negative; None for equal ones.
        confidence: in (0, 1).

    Returns:
        (mean, low, high). The ends are NaN with fewer than two values, and where no value differs from another:
        nothing is known of the spread then. All are NaN without values.
    """
    kept = [(x, w) for x, w in zip(values, weights or [1.0] * len(values), strict=True) if w]
    if not kept:
        return math.nan, math.nan, math.nan
    total = math.fsum(w for _, w in kept)
    mean = math.fsum(w * x for x, w in kept) / total
    if len(kept) < 2 or len({x for x, _ in kept}) == 1:
        return mean, math.nan, math.nan
    from scipy.special import stdtrit

    n = len(kept)
    error = math.sqrt(_variance(kept, mean, total))
    reach = float(stdtrit(n - 1, 0.5 + confidence / 2.0)) * error
    return mean, mean - reach, mean + reach


def share_interval(
    shares: Sequence[float], sizes: Sequence[float], confidence: float = CONFIDENCE
) -> tuple[float, float, float]:
    """The share of all things that are so, where things of one episode may be alike, with a two-sided interval.

    It is Clopper–Pearson with the effective number of things, as many independent ones as would give the share's
    standard error (Korn & Graubard, Survey Methodology 24, 1998, 193-201): fewer than there are if an episode's
    things agree. Where all episodes have the same share, which tells nothing of that, it is the number of episodes.

    Args:
        shares: of each episode, 0 to 1.
        sizes: how many things each episode has.
        confidence: in (0, 1).

    Returns:
        (share, low, high); (NaN, 0, 1) without things.
    """
    kept = [(x, w) for x, w in zip(shares, sizes, strict=True) if w]
    if not kept:
        return math.nan, 0.0, 1.0
    total = math.fsum(w for _, w in kept)
    share = min(1.0, math.fsum(w * x for x, w in kept) / total)
    n = len(kept)
    effective = float(n)
    if n > 1 and len({x for x, _ in kept}) > 1:
        from scipy.special import stdtrit

        tail = 0.5 + confidence / 2.0
        wider = float(stdtrit(n - 1, tail)) / float(stdtrit(max(total - 1.0, 1.0), tail))
        effective = min(total, share * (1.0 - share) / _variance(kept, share, total) / wider**2)
    return share, *beta_interval(share * effective, effective, confidence)


def _variance(kept: Sequence[tuple[float, float]], mean: float, total: float) -> float:
    """Of the weighted mean."""
    n = len(kept)
    return n / (n - 1) * math.fsum((w * (x - mean)) ** 2 for x, w in kept) / total**2
