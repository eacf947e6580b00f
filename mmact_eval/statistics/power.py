"""What n paired episodes can show: the power of the exact McNemar test, and its inverses."""

from __future__ import annotations

import math
from functools import lru_cache

from mmact_eval.statistics.level import ALPHA, POWER


def smallest_detectable_difference(
    n: int, discordant_rate: float = 0.0, power: float = POWER, alpha: float = ALPHA
) -> float:
    """The smallest true difference that n pairs show with probability `power`, in the two-sided exact McNemar test.

    Args:
        n: pairs of episodes.
        discordant_rate: share of pairs that exactly one arm solves. It is never less than the difference itself: 0
            means that all flips go one way, the easiest case.
        power: probability of p ≤ `alpha`.
        alpha: level of the test.

    Returns:
        Between 0 and 1; NaN if even a difference of 1 would not be seen (fewer than 6 pairs at the defaults).

    Raises:
        ValueError: an argument is out of range.
    """
    if n < 0 or not 0.0 <= discordant_rate <= 1.0 or not 0.0 < power < 1.0 or not 0.0 < alpha < 1.0:
        raise ValueError("n must not be negative, the rate must be 0 to 1, power and alpha between 0 and 1")
    from scipy.optimize import brentq

    def excess(difference: float) -> float:
        return mcnemar_power(n, difference, max(discordant_rate, difference), alpha) - power

    if excess(1.0) < 0.0:
        return math.nan
    return float(brentq(excess, 0.0, 1.0, xtol=1e-5))


def mcnemar_power(n: int, difference: float, discordant_rate: float, alpha: float = ALPHA) -> float:
    """Probability that the two-sided exact McNemar test gives p ≤ `alpha`, computed exactly.

    Args:
        n: pairs of episodes.
        difference: true difference of success rates; its sign does not matter.
        discordant_rate: share of pairs that exactly one arm solves, at least |difference|.
        alpha: level of the test.
    """
    import numpy as np
    from scipy.special import bdtr, bdtrc
    from scipy.stats import binom

    if n == 0 or discordant_rate == 0.0:
        return 0.0
    spread = 10.0 * math.sqrt(n * discordant_rate * (1.0 - discordant_rate)) + 10.0
    m = np.arange(max(0, int(n * discordant_rate - spread)), min(n, int(n * discordant_rate + spread)) + 1)
    limit = np.array([_critical_value(int(tosses), alpha) for tosses in m])
    win = min(1.0, 0.5 + abs(difference) / (2.0 * discordant_rate))
    reject = np.where(limit >= 0, bdtr(limit, m, win) + bdtrc(m - limit - 1, m, win), 0.0)
    return float(np.sum(binom.pmf(m, n, discordant_rate) * reject))


@lru_cache(maxsize=100_000)
def _critical_value(tosses: int, alpha: float) -> int:
    """The largest number of wins of the weaker arm at which the two-sided test rejects, -1 if there is none."""
    from scipy.special import bdtr
    from scipy.stats import binom

    wins = int(binom.ppf(alpha / 2.0, tosses, 0.5))
    while wins >= 0 and 2.0 * float(bdtr(wins, tosses, 0.5)) > alpha:
        wins -= 1
    return wins


def pairs_needed(margin: float, discordant_rate: float, power: float = POWER, alpha: float = ALPHA) -> int:
    """About how many pairs show that equal arms differ by less than `margin` (normal approximation, Nam 1997).

    Args:
        margin: the difference to exclude, greater than 0.
        discordant_rate: share of pairs that exactly one arm solves.
        power: probability that the interval's end excludes the margin.
        alpha: 1 - confidence of the interval.

    Raises:
        ValueError: the margin is not positive.
    """
    if not margin > 0.0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    from scipy.special import ndtri

    z, z_power = float(ndtri(1.0 - alpha / 2.0)), float(ndtri(power))
    from_flips = (z + z_power) ** 2 * discordant_rate / margin**2
    without_flips = z * z * (1.0 - margin) / margin  # the interval's width when there are none
    return math.ceil(max(from_flips, without_flips))
