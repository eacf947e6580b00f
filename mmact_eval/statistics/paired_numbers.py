"""Two arms on the same episodes, compared in a number: the permutation test of paired differences, and its interval.

If the arms do not differ, each pair's difference could as well have the other sign. So the mean difference is held
against those with signs drawn at random (Fisher 1935). For numbers that are 0 or 1 this is the exact McNemar test.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmact_eval.statistics.level import CONFIDENCE
from mmact_eval.statistics.rates import mean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EXACT = 13
"""Up to so many pairs every choice of signs is looked at (8,192)."""

DRAWN = 9_999
"""Choices of signs that are drawn where there are too many."""

GROUPS = 1_000
"""More pairs than that change their signs in so many groups, which is a permutation test too and takes no longer."""

_SEED = 0
_BATCH = 1_000


@dataclass(frozen=True)
class PairedDifference:
    """Second arm minus first, over pairs.

    Attributes:
        difference: mean; NaN without pairs.
        low, high: two-sided interval of it; NaN where it cannot be had: fewer than six pairs, or all differences equal.
        p_value: two-sided; 1 without a difference, NaN without pairs.
    """

    difference: float
    low: float
    high: float
    p_value: float


def paired_difference(differences: Sequence[float], confidence: float = CONFIDENCE) -> PairedDifference:
    """The sign-flip permutation test of the mean difference, and the interval that fits it.

    The interval is the test's inversion: means that the test does not reject. Those turn out to lie between order
    statistics of the means over random subsets of the pairs (Hartigan, "Using subsample values as typical values",
    JASA 64, 1969). So it excludes 0 exactly when p ≤ 1 - confidence. Both are exact for independent differences that
    are distributed symmetrically, whatever their distributions, and approximate for means of others, as a t-test is.

    Args:
        differences: second arm minus first, a pair each, in an order that does not depend on them.
        confidence: in (0, 1).
    """
    difference = mean(differences)
    if not differences:
        return PairedDifference(difference, math.nan, math.nan, math.nan)
    if not any(differences):
        return PairedDifference(0.0, math.nan, math.nan, 1.0)
    import numpy as np

    means = np.sort(_subset_means(np.asarray(differences, float)))
    choices = len(means) + 1  # the signs as they are included
    below = 1 + int(np.searchsorted(means, 0.0, "right"))
    above = 1 + len(means) - int(np.searchsorted(means, 0.0, "left"))
    p_value = min(1.0, 2.0 * min(below, above) / choices)
    left_out = math.floor((1.0 - confidence) / 2.0 * choices + 1e-9)
    if not left_out or means[0] == means[-1]:
        return PairedDifference(difference, math.nan, math.nan, p_value)
    return PairedDifference(difference, float(means[left_out - 1]), float(means[-left_out]), p_value)


def _subset_means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means over subsets that are not empty: all of them, or some drawn at random, the same for equal input.

    A mean of signs flipped is as large as the mean itself, for a centre c, just if that over the flipped ones is ≤ c.
    """
    import numpy as np

    if len(values) <= EXACT:
        chosen = (np.arange(1, 2 ** len(values))[:, None] >> np.arange(len(values))) & 1
        return _rounded((chosen @ values) / chosen.sum(axis=1), values)
    group = np.arange(len(values)) % GROUPS
    sums, sizes = np.bincount(group, values), np.bincount(group).astype(float)
    rng = np.random.default_rng(_SEED)
    found = []
    for start in range(0, DRAWN, _BATCH):
        rows = min(_BATCH, DRAWN - start)
        bits = np.unpackbits(rng.integers(0, 256, (rows, -(-len(sums) // 8)), np.uint8), axis=1, count=len(sums))
        chosen = bits.astype(float)
        total = chosen @ sizes
        # A subset that is empty (one in 2^14 at least) leaves all signs as they are: it counts on both sides.
        found.append(np.where(total > 0, (chosen @ sums) / np.maximum(total, 1.0), 0.0))
    return _rounded(np.concatenate(found), values)


def _rounded(means: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Without the noise of floating-point sums, so that what is 0 (0.1 + 0.2 - 0.3) counts as 0."""
    import numpy as np

    means[np.abs(means) < 1e-12 * float(np.abs(values).max())] = 0.0
    return means
