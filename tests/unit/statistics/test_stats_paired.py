"""Paired statistics against scipy, statsmodels, published examples and complete enumeration."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import beta, binomtest, multinomial

from mmact_eval.statistics.paired import PairCounts, better_p_value, difference_interval, mcnemar
from mmact_eval.statistics.power import mcnemar_power, pairs_needed, smallest_detectable_difference
from mmact_eval.statistics.rates import clopper_pearson

CELLS = st.builds(PairCounts, *[st.integers(0, 60)] * 4)

BENTUR = PairCounts(both=1, only_a=1, only_b=7, neither=12)
"""Airway hyper-responsiveness before and after transplantation, as in Fagerland et al., BMC Med Res Methodol 13:91."""


def swapped(counts: PairCounts) -> PairCounts:
    return PairCounts(counts.both, counts.only_b, counts.only_a, counts.neither)


def test_pairs_are_counted() -> None:
    pairs = [(True, True)] * 3 + [(True, False)] * 2 + [(False, True)] + [(False, False)] * 4
    counts = PairCounts.of(pairs)
    assert counts == PairCounts(both=3, only_a=2, only_b=1, neither=4)
    assert (counts.n, counts.discordant) == (10, 3)
    assert counts.difference == pytest.approx(-0.1)
    assert math.isnan(PairCounts().difference)


@given(CELLS)
def test_mcnemar_is_the_binomial_test_on_discordant_pairs(counts: PairCounts) -> None:
    expected = binomtest(counts.only_a, counts.discordant, 0.5).pvalue if counts.discordant else 1.0
    assert mcnemar(counts) == pytest.approx(expected)
    assert mcnemar(swapped(counts)) == mcnemar(counts)
    if counts.discordant:
        one_sided = binomtest(counts.only_b, counts.discordant, 0.5, alternative="greater").pvalue
        assert better_p_value(counts) == pytest.approx(one_sided)


@given(CELLS)
@settings(deadline=None)  # statsmodels is slow to import
def test_mcnemar_matches_statsmodels(counts: PairCounts) -> None:
    tables = pytest.importorskip("statsmodels.stats.contingency_tables")
    table = [[counts.both, counts.only_a], [counts.only_b, counts.neither]]
    theirs = tables.mcnemar(table, exact=True).pvalue if counts.discordant else 1.0
    assert mcnemar(counts) == pytest.approx(theirs)


def test_mcnemar_of_published_examples() -> None:
    assert mcnemar(BENTUR) == pytest.approx(0.0703, abs=5e-5)  # Fagerland et al.: exact conditional 0.0703
    assert mcnemar(PairCounts(only_a=6, only_b=16)) == pytest.approx(0.0525, abs=5e-5)


def test_identical_arms_are_not_significant() -> None:
    assert mcnemar(PairCounts(both=70, neither=30)) == 1.0
    assert mcnemar(PairCounts()) == 1.0
    assert better_p_value(PairCounts(both=5)) == 1.0


@given(CELLS, st.floats(0.6, 0.99))
@settings(deadline=None, max_examples=40)
def test_interval_fits_the_exact_test(counts: PairCounts, confidence: float) -> None:
    low, high = difference_interval(counts, confidence)
    assert -1.0 <= low <= high <= 1.0
    if counts.n:
        assert low - 1e-6 <= counts.difference <= high + 1e-6
    excludes_zero = low > 1e-9 or high < -1e-9
    p = mcnemar(counts)
    if abs(p - (1.0 - confidence)) > 1e-6:
        assert excludes_zero == (p < 1.0 - confidence)
    assert difference_interval(swapped(counts), confidence) == pytest.approx((-high, -low))


@pytest.mark.parametrize(
    "counts",
    [BENTUR, PairCounts(30, 10, 20, 40), PairCounts(0, 3, 2, 0), PairCounts(0, 0, 8, 2), PairCounts(2, 5, 0, 9)],
)
def test_interval_matches_sampled_confidence_distributions(counts: PairCounts) -> None:
    """Fay & Lumbard's definition taken literally: quantiles of a product of random numbers."""
    rng = np.random.default_rng(0)

    def draw(k: int, n: int, upper: bool) -> NDArray[Any]:
        first, second = (k + 1, n - k) if upper else (k, n - k + 1)
        if not second:
            return np.ones(400_000)
        return rng.beta(first, second, 400_000) if first else np.zeros(400_000)

    def lower(wins: int, losses: int) -> float:
        gap = 2.0 * draw(wins, wins + losses, upper=False) - 1.0
        flips = [draw(wins + losses, counts.n, upper) for upper in (False, True)]
        return float(np.quantile(gap * np.where(gap > 0.0, *flips), 0.025))

    expected = lower(counts.only_b, counts.only_a), -lower(counts.only_a, counts.only_b)
    assert difference_interval(counts) == pytest.approx(expected, abs=4e-3)


def test_without_flips_the_interval_is_that_of_a_single_rate() -> None:
    low, high = difference_interval(PairCounts(both=60, neither=40))
    bound = clopper_pearson(0, 100)[1]
    assert (low, high) == pytest.approx((-bound, bound))
    assert difference_interval(PairCounts()) == (-1.0, 1.0)
    # With nothing but flips it is that of the share of wins.
    wins = [float(beta.ppf(tail, *of)) for tail, of in ((0.025, (8, 13)), (0.975, (9, 12)))]
    assert difference_interval(PairCounts(only_a=12, only_b=8)) == pytest.approx(tuple(2.0 * win - 1.0 for win in wins))


@pytest.mark.slow
@pytest.mark.parametrize("n", [8, 25])
def test_interval_covers_the_truth_as_often_as_it_says(n: int) -> None:
    cells = [(b, c) for b in range(n + 1) for c in range(n + 1 - b)]
    limits = np.array([difference_interval(PairCounts(0, c, b, n - b - c)) for b, c in cells])
    counts = np.array([(b, c, n - b - c) for b, c in cells])
    coverage = []
    for flips in (0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 0.95):
        for wins in (0.0, 0.05, 0.3, 0.5, 0.6, 0.8, 0.95):
            truth = flips * (2.0 * wins - 1.0)
            probability = multinomial.pmf(counts, n, [flips * wins, flips * (1.0 - wins), 1.0 - flips])
            inside = (limits[:, 0] <= truth + 1e-9) & (truth - 1e-9 <= limits[:, 1])
            coverage.append(float(probability[inside].sum()))
    assert min(coverage) >= 0.95


def test_false_positive_rate_of_mcnemar_never_exceeds_its_level() -> None:
    for n in (5, 20, 100, 500):
        for flips in (0.01, 0.1, 0.3, 1.0):
            assert mcnemar_power(n, 0.0, flips) <= 0.05 + 1e-9


@pytest.mark.parametrize(("n", "difference", "flips"), [(100, 0.1, 0.2), (50, -0.2, 0.3), (400, 0.03, 0.05)])
def test_power_matches_simulation(n: int, difference: float, flips: float) -> None:
    rng = np.random.default_rng(1)
    wins = (flips + difference) / 2.0
    draws = rng.multinomial(n, [wins, flips - wins, 1.0 - flips], size=4000)
    rejected = np.mean([mcnemar(PairCounts(only_a=int(c), only_b=int(b))) <= 0.05 for b, c, _ in draws])
    assert mcnemar_power(n, difference, flips) == pytest.approx(float(rejected), abs=0.03)


def test_smallest_detectable_difference() -> None:
    difference = smallest_detectable_difference(100, 0.2)
    assert mcnemar_power(100, difference, 0.2) == pytest.approx(0.8, abs=1e-3)
    assert smallest_detectable_difference(400, 0.2) < difference < smallest_detectable_difference(100, 0.4)
    assert math.isnan(smallest_detectable_difference(5))  # 2 · 0.5⁵ > 0.05: five pairs never show anything
    assert smallest_detectable_difference(6) > 0.95
    with pytest.raises(ValueError, match="between 0 and 1"):
        smallest_detectable_difference(10, power=1.0)


def test_pairs_needed_suffice() -> None:
    rng = np.random.default_rng(2)
    n = pairs_needed(0.05, 0.1)
    assert 250 <= n <= 400
    lows = [
        difference_interval(PairCounts(0, int(c), int(b), int(rest)))[0]
        for b, c, rest in rng.multinomial(n, [0.05, 0.05, 0.9], size=60)
    ]
    assert np.mean(np.array(lows) > -0.05) >= 0.65
    assert difference_interval(PairCounts(both=pairs_needed(0.05, 0.0)))[0] > -0.055
    with pytest.raises(ValueError, match="greater than 0"):
        pairs_needed(0.0, 0.1)
