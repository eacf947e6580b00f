"""Numbers become the nearest of 2048 points from -1 to 1."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmact_eval.errors import UsageError
from mmact_eval.policies.mmact.bins import from_bins, to_bins

HALF_A_BIN = 1 / 2047


@given(st.integers(0, 2047))
def test_every_bin_comes_back(index: int) -> None:
    assert to_bins(from_bins(index)) == index


@given(st.floats(-1, 1))
def test_a_number_moves_by_half_a_bin_at_most(value: float) -> None:
    assert abs(float(from_bins(to_bins(value))) - value) <= HALF_A_BIN + 1e-6


@given(st.floats(allow_nan=False))
def test_what_lies_outside_is_clipped(value: float) -> None:
    assert to_bins(value) == to_bins(min(1.0, max(-1.0, value)))


def test_ends_and_ties() -> None:
    assert to_bins([-1, 1, -7, 7]).tolist() == [0, 2047, 0, 2047]
    # 0 lies between bins 1023 and 1024, and ties go to the even one.
    assert to_bins(0.0) == 1024
    assert to_bins((2 * 2.5 / 2047) - 1) == 2
    assert from_bins([0, 2047]).tolist() == [-1.0, 1.0]
    assert from_bins([[3]]).dtype == np.float32


def test_nan_is_refused() -> None:
    with pytest.raises(UsageError, match="NaN"):
        to_bins([0.0, float("nan")])
