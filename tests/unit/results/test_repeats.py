"""What is said of methods that were repeated."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmact_eval.results.repeats import over_repeats
from mmact_eval.statistics.repeats import mean_difference


def test_welch_as_in_a_worked_example() -> None:
    # By hand: variances 0.01 and 0.0004, t = 0.1 / sqrt((0.01 + 0.0004) / 3), 2.16 degrees of freedom.
    difference, low, high, p = mean_difference([0.7, 0.8, 0.9], [0.88, 0.9, 0.92])
    assert difference == pytest.approx(0.1)
    assert [low, high] == pytest.approx([-0.136, 0.336], abs=0.002)
    assert p == pytest.approx(0.222, abs=0.002)


RATES = st.lists(st.integers(0, 60).map(lambda k: k / 60), min_size=2, max_size=6)


@given(RATES, RATES)
def test_the_interval_holds_the_difference_and_agrees_with_the_test(first: list[float], second: list[float]) -> None:
    difference, low, high, p = mean_difference(first, second)
    assert difference == pytest.approx(-mean_difference(second, first)[0])
    if len(set(first)) == len(set(second)) == 1:
        assert math.isnan(p)
    else:
        assert low <= difference <= high
        assert (p < 0.05) == (low > 0.0 or high < 0.0) or p == pytest.approx(0.05, abs=1e-6)


def test_methods_are_compared_with_the_first_and_gaps_left_out() -> None:
    table = over_repeats(
        "seed", ["0", "1", "2"],
        {"a": [0.5, 0.6, 0.7], "b": [0.9, math.nan, 1.0], "c": [0.5, math.nan, math.nan], "d": [0.6, 0.6, 0.61]},
    )  # fmt: skip
    a, b, c, d = table.methods
    assert [a.average, a.spread] == pytest.approx([0.6, 0.1])
    assert math.isnan(a.difference)
    assert [b.average, b.difference] == pytest.approx([0.95, 0.35])
    assert math.isnan(c.spread)
    assert math.isnan(c.p_value)
    assert math.isnan(c.p_holm)
    assert b.p_holm == pytest.approx(2 * b.p_value)  # two tests were made
    assert d.p_holm == pytest.approx(max(d.p_value, b.p_holm))
