"""Intervals of means and paired numbers against scipy, McNemar and themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import permutation_test, ttest_1samp

from mmact_eval.statistics.means import mean_interval, share_interval
from mmact_eval.statistics.paired import PairCounts, mcnemar
from mmact_eval.statistics.paired_numbers import DRAWN, paired_difference
from mmact_eval.statistics.rates import clopper_pearson

NUMBERS = st.lists(st.integers(-20, 20).map(lambda n: n / 4), min_size=2, max_size=12)


@given(NUMBERS, st.floats(0.5, 0.99))
def test_a_mean_has_the_interval_of_the_t_test(values: list[float], confidence: float) -> None:
    mean, low, high = mean_interval(values, confidence=confidence)
    assert mean == pytest.approx(np.mean(values))
    if len(set(values)) == 1:
        assert math.isnan(low)
        assert math.isnan(high)
    else:
        assert (low, high) == pytest.approx(ttest_1samp(values, 0.0).confidence_interval(confidence))


def test_little_is_known_of_little() -> None:
    assert all(map(math.isnan, mean_interval([])))
    assert mean_interval([2.0])[0] == 2.0
    assert math.isnan(mean_interval([2.0])[1])
    assert share_interval([], [])[1:] == (0.0, 1.0)


def test_weights_weigh() -> None:
    assert mean_interval([1.0, 2.0, 9.0], [3.0, 1.0, 0.0])[0] == 1.25
    assert mean_interval([1.0, 2.0, 4.0], [2.0, 2.0, 2.0]) == pytest.approx(mean_interval([1.0, 2.0, 4.0]))


def test_a_share_of_things_that_are_alike_within_an_episode_is_less_certain() -> None:
    """Ten texts an episode that all agree tell as much as one; ten independent ones as much as ten."""
    alike = [1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0] * 2
    share, low, high = share_interval(alike, [10.0] * 20)
    assert (share, low, high) == pytest.approx((0.7, *clopper_pearson(14, 20)), abs=0.03)
    rng = np.random.default_rng(0)
    mixed = rng.binomial(10, 0.7, 200) / 10
    share, low, high = share_interval(mixed.tolist(), [10.0] * 200)
    assert (low, high) == pytest.approx(clopper_pearson(round(share * 2000), 2000), abs=0.01)
    # All right says nothing of how alike they are: as many as there are episodes.
    assert share_interval([1.0] * 20, [10.0] * 20) == (1.0, *clopper_pearson(20, 20))


@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_a_share_interval_covers(rho: float) -> None:
    """`rho`: the share of episodes whose eight things are all alike."""
    rng = np.random.default_rng(1)
    covered, runs = 0, 300
    for _ in range(runs):
        own = np.where(rng.random((40, 1)) < rho, rng.random((40, 1)), rng.random((40, 8)))
        right = own < 0.8
        _, low, high = share_interval(right.mean(axis=1).tolist(), [8.0] * 40)
        covered += low <= 0.8 <= high
    assert covered / runs >= 0.91  # 95 %, and three standard errors of 300 runs


@settings(max_examples=25)
@given(NUMBERS)
def test_the_permutation_test_is_scipys(differences: list[float]) -> None:
    found = paired_difference(differences).p_value
    exact = permutation_test(
        [differences], lambda x, axis: np.mean(x, axis=axis), permutation_type="samples", vectorized=True,
        n_resamples=2 ** len(differences),
    )  # fmt: skip
    assert found == pytest.approx(exact.pvalue)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=13))
def test_of_outcomes_it_is_mcnemars(pairs: list[tuple[bool, bool]]) -> None:
    found = paired_difference([float(b) - float(a) for a, b in pairs])
    assert found.p_value == pytest.approx(mcnemar(PairCounts.of(pairs)))


@settings(max_examples=60)
@given(st.lists(st.integers(-9, 12).map(float), min_size=1, max_size=40), st.sampled_from([0.8, 0.9, 0.95]))
def test_the_interval_excludes_zero_exactly_when_the_test_rejects(values: list[float], confidence: float) -> None:
    found = paired_difference(values, confidence)
    if math.isnan(found.low):
        assert len(values) < 6 or len(set(values)) == 1
        return
    assert found.low <= found.difference <= found.high
    assert (found.low > 0 or found.high < 0) == (found.p_value <= 1 - confidence + 1e-9)
    other = paired_difference([-value for value in values], confidence)
    assert (other.low, other.high, other.p_value) == pytest.approx((-found.high, -found.low, found.p_value))


def test_many_pairs_are_as_certain_as_a_t_test_says() -> None:
    values = np.random.default_rng(3).exponential(2.0, 5_000) - 1.9
    found = paired_difference(values.tolist())
    expected = ttest_1samp(values, 0.0)
    assert found.p_value == pytest.approx(expected.pvalue, abs=0.02)
    assert (found.low, found.high) == pytest.approx(expected.confidence_interval(), abs=0.01)
    assert paired_difference([2.0] * 5_000).p_value == 2 / (DRAWN + 1)


def test_nothing_and_no_difference() -> None:
    assert math.isnan(paired_difference([]).p_value)
    same = paired_difference([0.0] * 30)
    assert (same.difference, same.p_value) == (0.0, 1.0)
    assert paired_difference([0.1 + 0.2 - 0.3, 0.0]).p_value == 1.0
