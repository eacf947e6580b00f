"""Two things, each repeated a few times: the difference of their means, with what repeating says of its error."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

from mmact_eval.statistics.level import CONFIDENCE
from mmact_eval.statistics.rates import mean


def mean_difference(
    first: Sequence[float], second: Sequence[float], confidence: float = CONFIDENCE
) -> tuple[float, float, float, float]:
    """Welch's t-test (Biometrika 1947) of the means of two small samples with spreads of their own.

    It is right for normally distributed values. Success rates of models from a few training seeds are near enough
    unless they crowd at 0 or 1. Where the same repeats go together in both (seeds that share a data split, say), it is
    a little cautious.

    Args:
        first, second: the values of the repeats.
        confidence: of the interval, in (0, 1).

    Returns:
        (second - first, low, high, p). The last three are NaN with fewer than two values on a side, and where no value
        differs from its neighbours: nothing is known of the spread then.
    """
    difference = mean(second) - mean(first)
    spreads = len(set(first)) > 1 or len(set(second)) > 1
    if min(len(first), len(second)) < 2 or not spreads:
        return difference, math.nan, math.nan, math.nan
    from scipy.stats import ttest_ind

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # scipy's, of equal values on one side, which is no harm here
        test = ttest_ind(second, first, equal_var=False)
    low, high = test.confidence_interval(confidence)
    return difference, float(low), float(high), float(test.pvalue)
