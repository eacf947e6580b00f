"""Intervals and percentiles against their definitions and scipy."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from mmact_eval.statistics.rates import clopper_pearson, mean, percentile

COUNTS = st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
CONFIDENCE = st.floats(0.5, 0.999)
FLOATS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50)


@given(COUNTS, CONFIDENCE)
def test_interval_matches_scipy_and_contains_the_rate(counts: tuple[int, int], confidence: float) -> None:
    k, n = counts
    low, high = clopper_pearson(k, n, confidence)
    theirs = binomtest(k, n).proportion_ci(confidence, method="exact")
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert 0.0 <= low <= k / n <= high <= 1.0


@given(COUNTS, CONFIDENCE, CONFIDENCE)
def test_more_confidence_is_wider(counts: tuple[int, int], one: float, other: float) -> None:
    narrow, wide = (clopper_pearson(*counts, c) for c in sorted((one, other)))
    assert wide[0] <= narrow[0] + 1e-12
    assert narrow[1] <= wide[1] + 1e-12


@given(COUNTS, CONFIDENCE)
def test_failures_mirror_successes(counts: tuple[int, int], confidence: float) -> None:
    k, n = counts
    low, high = clopper_pearson(k, n, confidence)
    assert clopper_pearson(n - k, n, confidence) == pytest.approx((1 - high, 1 - low), abs=1e-9)


@given(COUNTS)
def test_more_successes_move_it_up(counts: tuple[int, int]) -> None:
    k, n = counts
    if k < n:
        before, after = clopper_pearson(k, n), clopper_pearson(k + 1, n)
        assert before[0] < after[0]
        assert before[1] <= after[1]


def test_it_covers_the_truth_as_often_as_it_says() -> None:
    n = 50
    intervals = [clopper_pearson(k, n) for k in range(n + 1)]
    for truth in np.linspace(0.005, 0.995, 199):
        covered = sum(binom.pmf(k, n, truth) for k, (low, high) in enumerate(intervals) if low <= truth <= high)
        assert covered >= 0.95


def test_known_intervals() -> None:
    assert clopper_pearson(0, 0) == (0.0, 1.0)
    assert clopper_pearson(0, 50) == pytest.approx((0.0, 1 - 0.025 ** (1 / 50)))
    assert clopper_pearson(50, 50) == pytest.approx((0.025 ** (1 / 50), 1.0))


@pytest.mark.parametrize(("k", "n", "confidence"), [(-1, 5, 0.95), (6, 5, 0.95), (1, 5, 0.0), (1, 5, 1.0)])
def test_nonsense_is_refused(k: int, n: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        clopper_pearson(k, n, confidence)


@given(FLOATS, st.floats(0, 100))
def test_percentile_matches_numpy(values: list[float], percent: float) -> None:
    assert percentile(values, percent) == pytest.approx(float(np.percentile(values, percent)), abs=1e-6)
    assert min(values) <= percentile(values, percent) <= max(values)


def test_nothing_has_no_percentile_and_no_mean() -> None:
    assert math.isnan(percentile([], 50))
    assert math.isnan(mean([]))
    assert mean([1.0, 2.0]) == 1.5
    with pytest.raises(ValueError, match="0 to 100"):
        percentile([1.0], 101)


def test_importing_statistics_is_cheap() -> None:
    code = (
        "import sys, mmact_eval.statistics.rates, mmact_eval.results.summary;"
        "import mmact_eval.reports.csv, mmact_eval.reports.markdown;"
        "print([m for m in ('scipy', 'pandas', 'jinja2', 'gymnasium') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
