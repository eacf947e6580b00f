"""Average lengths of chains against the definition of their interval, simulation, and what is known at the ends."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import Bounds, minimize
from scipy.stats import chi2

from mmact_eval.statistics.lengths import average_length, difference_of_means, length_counts
from mmact_eval.statistics.means import mean_interval

COUNTS = st.lists(st.integers(0, 40), min_size=2, max_size=7)
LIMIT = float(chi2.ppf(0.95, 1))

ROWS = {
    "MMaDA-VLA": (99.8, 98.6, 96.3, 93.5, 89.7),
    "GR-1": (85.4, 71.2, 59.6, 49.7, 40.1),
    "MCIL": (30.4, 1.3, 0.2, 0.0, 0.0),
    "near the top": (99.9, 99.8, 99.6, 99.2, 98.2),
}
"""Percent of chains with one to five in a row, as published (the last is made up)."""


def probabilities(row: tuple[float, ...]) -> NDArray[np.float64]:
    """Of the lengths 0 to 5."""
    reached = np.array([100.0, *row, 0.0]) / 100.0
    return reached[:-1] - reached[1:]


@given(COUNTS)
def test_the_interval_has_the_mean_stays_in_range_and_mirrors(counts: list[int]) -> None:
    most = len(counts) - 1
    mean, low, high = average_length(counts)
    mirrored = average_length(counts[::-1])
    if not sum(counts):
        assert (math.isnan(mean), low, high) == (True, 0.0, most)
        return
    assert 0.0 <= low <= mean <= high <= most
    assert mirrored == pytest.approx((most - mean, most - high, most - low))
    assert low < high
    wider = average_length(counts, 0.99)
    assert wider[1] <= low
    assert wider[2] >= high


@given(st.lists(st.integers(0, 30), min_size=3, max_size=6).filter(any))
def test_no_likely_enough_distribution_has_a_lower_mean(counts: list[int]) -> None:
    """The definition, solved by scipy's SLSQP: the least mean whose likelihood ratio is within the limit."""
    n, lengths = sum(counts), np.arange(len(counts))
    seen = np.array(counts, float)

    def slack(p: NDArray[np.float64]) -> float:
        told = seen > 0
        return LIMIT - 2.0 * float((seen[told] * np.log(seen[told] / n / np.maximum(p[told], 1e-300))).sum())

    def mean(p: NDArray[np.float64]) -> float:
        return float(p @ lengths)

    start = (seen + 0.05) / (seen + 0.05).sum()
    constraints: list[Any] = [{"type": "eq", "fun": lambda p: p.sum() - 1.0}, {"type": "ineq", "fun": slack}]
    options: Any = {"maxiter": 500, "ftol": 1e-12}
    bounds = Bounds(np.full(len(counts), 1e-12), np.ones(len(counts)))
    found = minimize(mean, start, method="SLSQP", bounds=bounds, constraints=constraints, options=options)
    if found.success and slack(found.x) > -1e-6:
        assert average_length(counts)[1] <= found.fun + 1e-4


def test_where_all_chains_have_one_length_there_is_an_interval_nevertheless() -> None:
    assert average_length([0, 0, 0, 0, 0, 1000]) == pytest.approx((5.0, 5.0 * math.exp(-LIMIT / 2000.0), 5.0))
    assert average_length([20, 0, 0, 0, 0, 0]) == pytest.approx((0.0, 0.0, 5.0 - 5.0 * math.exp(-LIMIT / 40.0)))
    mean, low, high = average_length([0, 0, 3, 0, 0, 0])
    assert (mean, round(low, 3), round(high, 3)) == (2.0, 1.054, 3.419)
    assert math.isnan(mean_interval([2.0] * 3)[1])  # Student's t has none


def test_lengths_are_counted_also_beyond_what_was_asked() -> None:
    assert length_counts([0, 2, 2, 5], 5) == [1, 0, 2, 0, 0, 1]
    assert length_counts([], 3) == [0, 0, 0, 0]
    assert length_counts([4], 3) == [0, 0, 0, 0, 1]
    with pytest.raises(ValueError, match="none of them negative"):
        average_length([3, -1])
    with pytest.raises(ValueError, match="confidence"):
        average_length([3, 1], 1.0)


def covered(row: str, n: int, draws: int) -> tuple[float, float]:
    """The share of intervals that have the true mean, and their mean half width."""
    p = probabilities(ROWS[row])
    truth = float(p @ np.arange(6))
    drawn = np.random.default_rng(1).multinomial(n, p, draws)
    found = [average_length(counts.tolist()) for counts in drawn]
    half = sum(high - low for _, low, high in found) / 2.0 / draws
    return sum(low <= truth <= high for _, low, high in found) / draws, half


@pytest.mark.parametrize(
    ("row", "half"), [("MMaDA-VLA", 0.146), ("GR-1", 0.37), ("MCIL", 0.10), ("near the top", 0.07)]
)
def test_it_covers_what_it_says_at_100_chains(row: str, half: float) -> None:
    share, width = covered(row, 100, 400)
    assert share > 0.92
    assert width == pytest.approx(half, abs=0.006)


@pytest.mark.slow
@pytest.mark.parametrize("n", [20, 100, 1000])
@pytest.mark.parametrize("row", ROWS)
def test_it_covers_what_it_says(row: str, n: int) -> None:
    assert covered(row, n, 4000)[0] > 0.925


def test_the_difference_of_two_published_averages() -> None:
    """Independent samples: about as the normal approximation says where that holds, skewed near the top."""
    of = {name: average_length([round(1000 * p) for p in probabilities(row)]) for name, row in ROWS.items()}
    difference, low, high = difference_of_means(of["GR-1"], of["MMaDA-VLA"])
    assert difference == pytest.approx(4.779 - 3.06)
    assert (high - low) / 2.0 == pytest.approx(math.hypot(0.119, 0.046), abs=0.003)
    assert difference_of_means(of["GR-1"], of["GR-1"])[0] == 0.0
    difference, low, high = difference_of_means(of["MMaDA-VLA"], of["near the top"])
    assert high - difference > difference - low > 0.0  # there is more room below 5 than above
