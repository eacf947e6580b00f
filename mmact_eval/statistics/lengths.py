"""The average length of chains: a mean of whole numbers 0 to K, with an interval that knows both ends of that range.

A chain is K tasks asked one after another; its length is how many were solved before the first failure. Student's t
collapses where models live now (nearly all chains of full length); what follows does not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from mmact_eval.statistics.level import CONFIDENCE


def length_counts(lengths: Sequence[int], most: int) -> list[int]:
    """How many chains have each length, 0 to `most` (more if one is longer)."""
    counts = [0] * (max(most, *lengths) + 1 if lengths else most + 1)
    for length in lengths:
        counts[length] += 1
    return counts


def average_length(counts: Sequence[int], confidence: float = CONFIDENCE) -> tuple[float, float, float]:
    """The average length with its two-sided profile likelihood interval under a multinomial distribution.

    The interval has every value that is the mean of some distribution on {0, …, K} which makes what was seen not too
    unlikely: 2 log (likelihood ratio) is at most the quantile of chi² with one degree of freedom. Lengths that were not
    seen may have a probability too, so it is an interval where all chains have one length, as well. It is the
    likelihood counterpart of Owen's empirical likelihood (Biometrika 75, 1988) with the range known.

    Args:
        counts: how many chains have the length 0, 1, …, K.
        confidence: in (0, 1).

    Returns:
        (mean, low, high), 0 ≤ low ≤ mean ≤ high ≤ K; (NaN, 0, K) without chains.

    Raises:
        ValueError: there are no lengths, a count is negative, or `confidence` is out of range.
    """
    if not counts or min(counts) < 0:
        raise ValueError(f"counts of the lengths 0 to K are needed, none of them negative: {list(counts)}")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence}")
    most, n = len(counts) - 1, sum(counts)
    if not n:
        return math.nan, 0.0, float(most)
    from scipy.special import chdtri

    limit = float(chdtri(1.0, 1.0 - confidence))
    mean = sum(length * count for length, count in enumerate(counts)) / n
    low, high = _lowest_mean(counts, limit), most - _lowest_mean(counts[::-1], limit)
    return mean, min(low, mean), max(high, mean)


def difference_of_means(
    first: tuple[float, float, float], second: tuple[float, float, float]
) -> tuple[float, float, float]:
    """Second minus first with an interval, of two means of *independent* samples that have intervals of their own.

    Distances to the ends that face each other are squared and added (Zou & Donner, Statistics in Medicine 27, 2008,
    1693-1702), so the interval is as skewed as theirs. Arms on the same episodes are paired and no matter for this.

    Args:
        first, second: (mean, low, high) at one level, which is that of the result.
    """
    (a, a_low, a_high), (b, b_low, b_high) = first, second
    return b - a, b - a - math.hypot(b - b_low, a_high - a), b - a + math.hypot(b_high - b, a - a_low)


def _lowest_mean(counts: Sequence[int], limit: float) -> float:
    """The smallest mean of a distribution on {0, …, K} whose 2 log (likelihood ratio) is at most `limit`.

    For a given mean the likelihood is largest for p[k] = n[k] / (u + v·k), with u, v ≥ 0 below the sample's mean
    (Lagrange). Without a chain of length 0 this curve ends at u = 0; from there on the cell 0 takes mass from all.
    """
    if counts[0] == sum(counts):
        return 0.0
    seen = [(length, count) for length, count in enumerate(counts) if count]
    n = sum(counts)
    if not counts[0]:
        tilted = [count / length for length, count in seen]
        ratio = _log_ratio(seen, tilted, n)
        if ratio <= limit:
            mass = -math.expm1(-(limit - ratio) / (2.0 * n))
            return (1.0 - mass) * n / math.fsum(tilted)
    from scipy.optimize import brentq

    def weights(depth: float) -> list[float]:
        u = math.exp(-depth)
        return [count / (u + (1.0 - u) * length) for length, count in seen]

    depth = float(brentq(lambda d: _log_ratio(seen, weights(d), n) - limit, 0.0, limit + 50.0, xtol=1e-12))
    found = weights(depth)
    return math.fsum(w * length for w, (length, _) in zip(found, seen, strict=True)) / math.fsum(found)


def _log_ratio(seen: Sequence[tuple[int, int]], weights: Sequence[float], n: int) -> float:
    """2 log of the likelihood of what was seen under its own shares over that under shares as these weights."""
    total = math.fsum(weights)
    return 2.0 * math.fsum(
        count * math.log(count / n * total / weight) for weight, (_, count) in zip(weights, seen, strict=True)
    )
