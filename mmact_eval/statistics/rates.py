"""Intervals and percentiles. scipy is imported on first use, so that importing this costs nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mmact_eval.statistics.level import CONFIDENCE


def clopper_pearson(successes: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The exact two-sided interval for a success probability (Clopper & Pearson, Biometrika 1934).

    Its coverage is at least `confidence` whatever the true rate, also at 0 or `n` successes, where intervals from the
    normal approximation collapse. It is exact for independent episodes of one success probability.

    Args:
        successes: 0 ≤ successes ≤ n.
        n: number of episodes; 0 says nothing, the interval is (0, 1).
        confidence: in (0, 1).

    Returns:
        (low, high) with 0 ≤ low ≤ successes / n ≤ high ≤ 1.

    Raises:
        ValueError: the arguments are out of range.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"successes must be 0 to n, got {successes} of {n}")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence}")
    return beta_interval(successes, n, confidence)


def beta_interval(successes: float, n: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Clopper–Pearson with numbers that need not be whole, as of an effective sample size."""
    from scipy.special import betaincinv

    tail = (1.0 - confidence) / 2.0
    # The ends are quantiles of beta distributions; at 0 and n successes one of them does not exist.
    low = float(betaincinv(successes, n - successes + 1, tail)) if successes > 0 else 0.0
    high = float(betaincinv(successes + 1, n - successes, 1.0 - tail)) if successes < n else 1.0
    return low, high


def percentile(values: Sequence[float], percent: float) -> float:
    """The `percent`-th percentile (0 to 100), linear between neighbours; NaN if there are no values.

    Raises:
        ValueError: `percent` is out of range.
    """
    if not 0.0 <= percent <= 100.0:
        raise ValueError(f"percent must be 0 to 100, got {percent}")
    if not len(values):
        return math.nan
    ordered = sorted(values)
    place = percent / 100.0 * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    if ordered[below] == ordered[above]:  # also keeps rounding from leaving the range of the values
        return float(ordered[below])
    return float(ordered[below] + (place - below) * (ordered[above] - ordered[below]))


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean; NaN if there are no values."""
    return math.fsum(values) / len(values) if len(values) else math.nan
