"""Two arms on the same episodes, compared in a small whole number (the length of a chain): the sign-flip test, exactly.

The test of `paired_numbers`, but no sign is drawn at random: sums of whole numbers have few values, so the distribution
over all choices of signs is computed. For differences of -1, 0 and 1 it is the exact McNemar test.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mmact_eval.statistics.level import CONFIDENCE
from mmact_eval.statistics.paired_numbers import PairedDifference, paired_difference

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CELLS = 4_000_000
"""Of the table that the interval is read from. More need some 3,000 chains; then subsets are drawn, as for others."""

WORK = 1_000_000_000
"""Additions for the exact p-value. More need some 20,000 chains; then signs are drawn for it, too."""

_HALVINGS = 48


def paired_whole_difference(differences: Sequence[int], confidence: float = CONFIDENCE) -> PairedDifference:
    """The sign-flip test of the mean of whole differences, and the interval that fits it.

    If the arms do not differ, each difference could as well have the other sign. So the p-value is the probability that
    a sum of ±|d|, signs tossed like coins, is as far from 0 as the sum that was seen (Fisher 1935). The interval is the
    test inverted: between order statistics of the means over all subsets of the pairs (Hartigan 1969, see
    `paired_numbers`), so it excludes 0 exactly when p ≤ 1 - confidence.

    Args:
        differences: second arm minus first, a pair each.
        confidence: in (0, 1).
    """
    n, tail = len(differences), (1.0 - confidence) / 2.0
    if not any(differences) or n * sum(map(abs, differences)) > WORK:
        return paired_difference([float(d) for d in differences], confidence)
    difference, p_value = sum(differences) / n, sign_flip(differences)
    if 2.0**-n > tail or len(set(differences)) == 1:
        return PairedDifference(difference, math.nan, math.nan, p_value)
    unequal = [d for d in differences if d]
    if (len(unequal) + 1) * (sum(map(abs, unequal)) + 1) > CELLS:
        drawn = paired_difference([float(d) for d in differences], confidence)
        return PairedDifference(difference, drawn.low, drawn.high, p_value)
    table, lowest = _subsets(unequal)
    mirrored, negative = table[:, ::-1], 1 - lowest - table.shape[1]
    low, high = (_limit(of, start, n - len(unequal), tail) for of, start in ((table, lowest), (mirrored, negative)))
    return PairedDifference(difference, round(low, 9) + 0.0, round(-high, 9) + 0.0, p_value)


def sign_flip(differences: Sequence[int]) -> float:
    """The exact two-sided p-value of the sign-flip test; 1 if nothing differs."""
    import numpy as np

    # The sum with signs tossed is the whole sum less twice that over a random subset: subsets are enough.
    below = sum(-d for d in differences if d < 0)
    shares = np.zeros(below + sum(d for d in differences if d > 0) + 1)
    shares[below] = 1.0
    for d in differences:
        moved = np.zeros_like(shares)
        if d > 0:
            moved[d:] = shares[:-d]
        elif d < 0:
            moved[:d] = shares[-d:]
        else:
            continue
        shares = (shares + moved) / 2.0
    return min(1.0, 2.0 * float(min(shares[: below + 1].sum(), shares[below:].sum())))


def _limit(table: NDArray[np.float64], lowest: int, equal: int, tail: float) -> float:
    """The lower limit: the least value that the means of more than a share `tail` of all subsets do not exceed.

    Args:
        table, lowest: of the pairs that differ, as `_subsets` gives them.
        equal: how many pairs do not differ; they are in subsets too.
        tail: below 1/2.
    """
    import numpy as np
    from scipy.stats import binom

    up_to = np.cumsum(table, axis=1)
    rows = np.arange(len(table))[:, None]
    chance = binom.pmf(np.arange(equal + 1), equal, 0.5)
    likely = np.flatnonzero(chance > 1e-13)
    size = rows + likely[None, :]

    def share(value: float) -> float:
        """Of the subsets, the empty one included, whose sum is at most so much a pair."""
        place = np.floor(value * size + 1e-9).astype(int) - lowest
        found = np.where(place < 0, 0.0, up_to[rows, np.clip(place, 0, up_to.shape[1] - 1)])
        return float((found @ chance[likely]).sum())

    out = float(min(lowest, 0)) - 1.0  # no mean is below the lowest sum
    within = float(lowest + table.shape[1])
    for _ in range(_HALVINGS):
        middle = (out + within) / 2.0
        out, within = (out, middle) if share(middle) > tail else (middle, within)
    return within


def _subsets(differences: Sequence[int]) -> tuple[NDArray[np.float64], int]:
    """The shares of all subsets that have m pairs and the sum s, as ``[m, s - lowest]``, and the lowest sum.

    By the inverse Fourier transform of Π (1 + exp(-i(x + d·y))) / 2; a factor is exp(-i(x + d·y)/2) times a cosine.
    Errors are of the order 1e-16, which matters for no limit.
    """
    import numpy as np

    rows, columns = len(differences) + 1, sum(map(abs, differences)) + 1
    x = 2.0 * np.pi * np.arange(rows)[:, None] / rows
    y = 2.0 * np.pi * np.arange(columns // 2 + 1)[None, :] / columns
    phase = -(len(differences) * x + sum(differences) * y) / 2.0
    spectrum = np.exp(1j * phase)
    for d in sorted(set(differences)):
        spectrum *= np.cos((x + d * y) / 2.0) ** differences.count(d)
    lowest = sum(d for d in differences if d < 0)
    table = np.fft.irfft2(spectrum, s=(rows, columns))
    return np.roll(np.maximum(table, 0.0), -lowest, axis=1), lowest
