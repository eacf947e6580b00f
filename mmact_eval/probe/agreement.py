"""How well answers agree with the expert's actions, with standard errors that know which frames belong together.

Agreement is the correlation over frames, number by number, averaged. Correlations do not see what is the same in every
frame: a policy that always moves down agrees with nobody. Errors are jackknifed over episodes, because frames of an
episode are alike; intervals are Student's with (episodes − 1) degrees of freedom.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A number with its standard error.

    Attributes:
        value: of all episodes.
        error: its standard error; infinity if there are too few episodes.
        episodes: how many there are.
    """

    value: float
    error: float
    episodes: int

    def lower(self, alpha: float) -> float:
        """What the true value exceeds, but for a probability of `alpha`."""
        return self.value - self._quantile(alpha) * self.error

    def upper(self, alpha: float) -> float:
        """What the true value stays below, but for a probability of `alpha`."""
        return self.value + self._quantile(alpha) * self.error

    def _quantile(self, alpha: float) -> float:
        if self.episodes < 3 or not np.isfinite(self.error):
            return float("inf")
        from scipy.stats import t

        return float(t.ppf(1.0 - alpha, self.episodes - 1))


def correlations(answers: Rows, expert: Rows) -> NDArray[np.float64]:
    """(D,) correlations of columns over frames; 0 where one of them never changes."""
    first, second = answers - answers.mean(axis=0), expert - expert.mean(axis=0)
    sizes = np.sqrt((first**2).sum(axis=0) * (second**2).sum(axis=0))
    moved = (np.ptp(answers, axis=0) > 0) & (np.ptp(expert, axis=0) > 0)
    found: NDArray[np.float64] = np.divide(
        (first * second).sum(axis=0), sizes, out=np.zeros_like(sizes), where=moved & (sizes > 0)
    )
    return found


def agreement(answers: Rows, expert: Rows, columns: Sequence[int]) -> float:
    """The mean correlation of these columns, -1 to 1."""
    return float(correlations(answers[:, columns], expert[:, columns]).mean()) if len(columns) else 0.0


def jackknife(statistic: Callable[[NDArray[np.intp]], float], clusters: NDArray[np.intp]) -> Estimate:
    """A statistic with its error, from leaving out one episode after the other.

    Args:
        statistic: takes the numbers of the frames to use.
        clusters: (N,) each frame's episode.
    """
    everything = np.arange(len(clusters))
    names = np.unique(clusters)
    count = len(names)
    value = statistic(everything)
    if count < 3:
        return Estimate(value, float("inf"), count)
    without = np.array([statistic(everything[clusters != name]) for name in names])
    error = float(np.sqrt((count - 1) / count * ((without - without.mean()) ** 2).sum()))
    return Estimate(value, error, count)
