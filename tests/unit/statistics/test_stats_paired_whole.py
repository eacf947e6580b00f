"""The exact sign-flip test of whole differences, against enumeration, McNemar, and the drawn version of it."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmact_eval.statistics import paired_whole
from mmact_eval.statistics.paired import PairCounts, mcnemar
from mmact_eval.statistics.paired_numbers import PairedDifference, paired_difference
from mmact_eval.statistics.paired_whole import paired_whole_difference, sign_flip

FEW = st.lists(st.integers(-5, 5), max_size=12)
MANY = st.lists(st.integers(-5, 5), min_size=14, max_size=80)


def figures(found: PairedDifference) -> tuple[float, ...]:
    return (found.difference, found.low, found.high, found.p_value)


@given(FEW)
def test_for_few_pairs_it_is_the_test_that_looks_at_every_choice_of_signs(differences: list[int]) -> None:
    expected = paired_difference([float(d) for d in differences])
    assert figures(paired_whole_difference(differences)) == pytest.approx(figures(expected), abs=1e-8, nan_ok=True)


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=9))
def test_the_p_value_is_the_share_of_signs_that_come_as_far(differences: list[int]) -> None:
    sums = [abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
            for signs in product((1, -1), repeat=len(differences))]  # fmt: skip
    assert sign_flip(differences) == pytest.approx(sum(s >= abs(sum(differences)) for s in sums) / len(sums))


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_it_is_mcnemar_where_differences_are_at_most_one(gained: int, lost: int, same: int) -> None:
    found = sign_flip([1] * gained + [-1] * lost + [0] * same)
    assert found == pytest.approx(mcnemar(PairCounts(only_a=lost, only_b=gained, neither=same)))


@given(MANY)
def test_the_interval_agrees_with_the_test_and_turns_with_the_arms(differences: list[int]) -> None:
    found = paired_whole_difference(differences)
    other = paired_whole_difference([-d for d in differences])
    assert figures(other) == pytest.approx((-found.difference, -found.high, -found.low, found.p_value), nan_ok=True)
    if not math.isnan(found.low):
        assert found.low <= found.difference <= found.high
        if abs(found.p_value - 0.05) > 1e-9:
            assert (found.low <= 0.0 <= found.high) == (found.p_value > 0.05)


def test_drawn_signs_come_near_it() -> None:
    differences = np.random.default_rng(3).choice([0, 0, 0, 1, -1, 2, -2, 5], 300).tolist()
    exact, drawn = paired_whole_difference(differences), paired_difference([float(d) for d in differences])
    assert figures(exact) == pytest.approx(figures(drawn), abs=0.02)


def test_without_a_difference_or_without_pairs() -> None:
    none = paired_whole_difference([])
    assert math.isnan(none.difference)
    assert math.isnan(none.p_value)
    assert figures(paired_whole_difference([0] * 9)) == pytest.approx((0.0, math.nan, math.nan, 1.0), nan_ok=True)
    assert math.isnan(paired_whole_difference([5, 5, 5, 5, 5]).low)
    assert paired_whole_difference([2] * 7).p_value == pytest.approx(2 / 2**7)


def test_a_table_that_would_not_fit_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = [1, 2, -1, 3, 0, 0, 5] * 20
    exact = paired_whole_difference(differences)
    monkeypatch.setattr(paired_whole, "CELLS", 100)
    found = paired_whole_difference(differences)
    assert found.p_value == exact.p_value
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=0.05)


@pytest.mark.slow
def test_the_interval_covers_a_mean_difference_of_unequal_arms() -> None:
    rng = np.random.default_rng(0)
    values, shares = np.arange(-5, 6), np.array([2, 2, 3, 3, 5, 60, 7, 5, 4, 4, 5]) / 100.0
    truth = float(values @ shares)
    found = [paired_whole_difference(rng.choice(values, 100, p=shares).tolist()) for _ in range(1000)]
    assert sum(one.low <= truth <= one.high for one in found) / 1000 > 0.93
