"""The average of several success rates (a suite's tasks, a benchmark's suites) with an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mmact_eval.statistics.level import CONFIDENCE
from mmact_eval.statistics.rates import clopper_pearson

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]


def mean_rate_interval(
    counts: Sequence[tuple[int, int]], confidence: float = CONFIDENCE, weights: Sequence[float] | None = None
) -> tuple[float, float, float]:
    """The mean of success rates, one a stratum, and a two-sided interval for the mean of the true rates.

    The strata are fixed (these tasks, not tasks drawn from a population), each with its own success probability. The
    interval collects the means that a score test does not reject, with the strata's rates at their maximum likelihood
    under each mean, and a correction for continuity of half the largest step that the mean can make (Martín Andrés,
    Álvarez Hernández & Herranz Tejedor, Stat. Methods Med. Res. 20, 2011, 369-387). With one stratum it is
    Clopper–Pearson; with alike strata it is about the pooled Clopper–Pearson interval; with unlike ones it is
    narrower, because differences between tasks are no noise.

    Args:
        counts: (successes, episodes) of each stratum; strata without episodes are left out.
        confidence: in (0, 1).
        weights: of the strata, positive, in any unit; None for equal ones.

    Returns:
        (mean, low, high); (NaN, 0, 1) without strata.

    Raises:
        ValueError: the arguments are out of range.
    """
    if any(not 0 <= k <= n for k, n in counts):
        raise ValueError(f"successes must be 0 to n, got {list(counts)}")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence}")
    if weights is not None and (len(weights) != len(counts) or not all(weight > 0.0 for weight in weights)):
        raise ValueError(f"there must be a positive weight for each stratum, got {list(weights)}")
    shares = [(k, n, weight) for (k, n), weight in zip(counts, weights or [1.0] * len(counts), strict=True) if n]
    if not shares:
        return math.nan, 0.0, 1.0
    total = math.fsum(weight for _, _, weight in shares)
    mean = math.fsum(weight * k / n for k, n, weight in shares) / total
    if len(shares) == 1:
        return mean, *clopper_pearson(*shares[0][:2], confidence)
    import numpy as np
    from scipy.special import ndtri

    z = float(ndtri(0.5 + confidence / 2.0))
    k, n, w = np.array(shares, float).T
    low = _lower_limit(k, n, w / total, z)
    high = 1.0 - _lower_limit(n - k, n, w / total, z)
    return mean, min(low, mean), max(high, mean)


def _lower_limit(k: Vector, n: Vector, w: Vector, z: float) -> float:
    """The smallest mean that is not rejected.

    Under a given mean the likeliest rates satisfy (k - n p) / (p (1 - p)) = λ w, with w the weight of a stratum and λ a
    Lagrange multiplier. λ = 0 gives the rates observed, larger ones smaller means: so the limit is sought in λ.
    """
    import numpy as np
    from scipy.optimize import brentq

    observed = float(w @ (k / n)) - float(np.max(w / n)) / 2.0  # corrected for continuity
    if observed <= 0.0:
        return 0.0

    def rates(log_multiplier: float) -> Vector:
        pull = math.exp(log_multiplier) * w
        found: Vector = 2.0 * k / (n + pull + np.sqrt((n - pull) ** 2 + 4.0 * pull * (n - k)))
        return found

    def excess(log_multiplier: float) -> float:
        p = rates(log_multiplier)
        return observed - float(w @ p) - z * math.sqrt(float(np.sum(w * w * p * (1.0 - p) / n)))

    top = math.log(float(np.max(n / w))) + 5.0
    while excess(top) < 0.0:
        top += 5.0
    return float(w @ rates(brentq(excess, -60.0, top, xtol=1e-10)))
