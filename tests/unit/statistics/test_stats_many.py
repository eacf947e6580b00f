"""Many arms, averages over tasks, and stopping early."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import norm

from mmact_eval.statistics.many import best_arms, holm
from mmact_eval.statistics.paired import PairCounts, mcnemar
from mmact_eval.statistics.rates import clopper_pearson
from mmact_eval.statistics.sequential import BettingTest, SequentialComparison
from mmact_eval.statistics.stratified import mean_rate_interval


@pytest.mark.slow  # statsmodels takes long to import
@given(st.lists(st.floats(0, 1), max_size=8))
@settings(deadline=None)
def test_holm_matches_statsmodels(p_values: list[float]) -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    theirs = list(multitest.multipletests(p_values, method="holm")[1]) if p_values else []
    assert holm(p_values) == pytest.approx(theirs)


def test_holm_of_a_textbook_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    with pytest.raises(ValueError, match="0 to 1"):
        holm([1.2])


def paired(a: NDArray[Any], b: NDArray[Any]) -> PairCounts:
    return PairCounts.of(zip(a.tolist(), b.tolist(), strict=True))


def test_the_best_arms() -> None:
    good, same, bad = PairCounts(40, 5, 6, 9), PairCounts(20, 25, 1, 14), PairCounts(20, 26, 1, 13)
    pairs = {("a", "b"): good, ("a", "c"): same, ("b", "c"): bad}
    assert best_arms(pairs, ["a", "b", "c"]) == ["a", "b"]
    assert best_arms({}, ["a"]) == ["a"]
    # The direction in which a pair is given does not matter.
    pairs = {
        ("b", "a"): PairCounts(40, 6, 5, 9),
        ("c", "a"): PairCounts(20, 1, 25, 14),
        ("c", "b"): PairCounts(20, 1, 26, 13),
    }
    assert best_arms(pairs, ["a", "b", "c"]) == ["a", "b"]


@pytest.mark.slow
def test_the_best_arm_is_among_the_best_and_holm_keeps_the_family_error() -> None:
    rng = np.random.default_rng(3)
    kept = wrong = 0
    rates = {"a": 0.8, "b": 0.78, "c": 0.7, "d": 0.8}
    for _ in range(400):
        ease = rng.random(100)  # pairs are alike: arms fail at the same hard episodes
        runs = {arm: ease + 0.15 * rng.standard_normal(100) < rate for arm, rate in rates.items()}
        pairs = {(a, b): paired(runs[a], runs[b]) for a in rates for b in rates if a < b}
        kept += "a" in best_arms(pairs, list(rates))
        null = {arm: rng.random(100) < 0.7 for arm in rates}
        wrong += min(holm([mcnemar(paired(null["a"], null[arm])) for arm in "bcd"])) <= 0.05
    assert kept / 400 >= 0.95
    assert wrong / 400 <= 0.05 + 2.0 * math.sqrt(0.05 * 0.95 / 400)


STRATA = st.lists(
    st.integers(1, 40).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=2, max_size=6
)


@given(STRATA)
@settings(deadline=None)
def test_interval_of_a_mean_contains_it_and_mirrors(strata: list[tuple[int, int]]) -> None:
    mean, low, high = mean_rate_interval(strata)
    assert mean == pytest.approx(np.mean([k / n for k, n in strata]))
    assert 0.0 <= low <= mean <= high <= 1.0
    mirrored = mean_rate_interval([(n - k, n) for k, n in strata])
    assert mirrored == pytest.approx((1.0 - mean, 1.0 - high, 1.0 - low), abs=1e-8)
    wider = mean_rate_interval(strata, 0.99)
    assert wider[1] <= low + 1e-9
    assert high <= wider[2] + 1e-9


@pytest.mark.parametrize("strata", [[(8, 10), (3, 10)], [(50, 50), (20, 25), (1, 10)], [(10, 10), (10, 10), (9, 10)]])
def test_limits_solve_the_score_equation(strata: list[tuple[int, int]]) -> None:
    """The same limits by a general-purpose optimizer for the constrained maximum likelihood."""
    k, n = np.array(strata, float).T
    mean, low, high = mean_rate_interval(strata)
    step = 1.0 / len(strata) / (2.0 * n.min())
    for limit, side in ((low, 1.0), (high, -1.0)):
        if limit in (0.0, 1.0):
            continue

        def distance(limit: float, p: NDArray[Any]) -> float:
            return float(np.mean(p)) - limit

        def loss(p: NDArray[Any]) -> float:
            return -float(np.sum(k * np.log(p) + (n - k) * np.log1p(-p)))

        rates = minimize(  # type: ignore[call-overload, unused-ignore]
            loss, np.full(len(k), limit), bounds=[(1e-7, 1 - 1e-7)] * len(k), method="SLSQP", options={"ftol": 1e-13},
            constraints={"type": "eq", "fun": partial(distance, limit)},
        ).x  # fmt: skip
        deviation = math.sqrt(np.sum(rates * (1.0 - rates) / n)) / len(k)
        assert (side * (mean - limit) - step) / deviation == pytest.approx(norm.ppf(0.975), abs=2e-3)


def test_interval_of_one_stratum_and_of_none() -> None:
    assert mean_rate_interval([(7, 10), (0, 0)]) == (0.7, *clopper_pearson(7, 10))
    mean, low, high = mean_rate_interval([])
    assert (math.isnan(mean), low, high) == (True, 0.0, 1.0)
    with pytest.raises(ValueError, match="0 to n"):
        mean_rate_interval([(3, 2)])
    with pytest.raises(ValueError, match="weight"):
        mean_rate_interval([(1, 2), (1, 3)], weights=[1.0])


def test_weights() -> None:
    strata = [(8, 10), (3, 10), (9, 20)]
    assert mean_rate_interval(strata, weights=[2.0, 2.0, 2.0]) == pytest.approx(mean_rate_interval(strata))
    mean, low, high = mean_rate_interval(strata, weights=[2.0, 1.0, 1.0])
    assert mean == pytest.approx((2 * 0.8 + 0.3 + 0.45) / 4)
    assert low < mean < high


def test_differences_between_tasks_are_no_noise() -> None:
    _, low, high = mean_rate_interval([(0, 50)] * 5 + [(50, 50)] * 5)
    pooled = clopper_pearson(250, 500)
    assert high - low < 0.3 * (pooled[1] - pooled[0])
    _, low, high = mean_rate_interval([(40, 50)] * 10)
    assert (low, high) == pytest.approx(clopper_pearson(400, 500), abs=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rates", "episodes"),
    [
        ([0.99] * 10, [10] * 10),
        ([0.9] * 10, [50] * 10),
        ([0.5] * 4, [10] * 4),
        ([1.0] * 6 + [0.9, 0.8, 0.5, 0.3], [50] * 10),
        ([0.95] * 3 + [0.6] * 2, [5, 50, 50, 20, 10]),
        ([0.98, 0.98, 0.02], [10, 100, 50]),
    ],
)
def test_interval_of_a_mean_covers_the_truth(rates: list[float], episodes: list[int]) -> None:
    rng = np.random.default_rng(4)
    truth = float(np.mean(rates))
    draws = [tuple(zip(map(int, rng.binomial(episodes, rates)), episodes, strict=True)) for _ in range(2000)]
    limits = {draw: mean_rate_interval(draw)[1:] for draw in set(draws)}
    covered = np.mean([limits[draw][0] <= truth <= limits[draw][1] for draw in draws])
    assert covered >= 0.95 - 2.0 * math.sqrt(0.05 * 0.95 / 2000)


@given(st.lists(st.sampled_from([-1, 0, 1]), max_size=60), st.sampled_from([0.0, -0.1, 0.2]))
def test_wealth_is_the_average_of_fair_bets(values: list[int], mean: float) -> None:
    test = BettingTest(mean)
    for value in values:
        test.update(value)
    stakes = np.array(test._stakes)
    expected = np.mean(np.prod([1.0 + stakes * (value - mean) for value in values], axis=0)) if values else 1.0
    assert math.exp(test.log_wealth) == pytest.approx(float(expected))


def test_a_clear_difference_is_decided_soon_and_equality_with_a_margin() -> None:
    better = SequentialComparison()
    verdicts = [better.record(i, False, True) for i in range(20)]
    assert verdicts[0] == "undecided"
    assert verdicts[-1] == "better"
    assert better.pairs <= 12
    worse = SequentialComparison()
    assert [worse.record(i, True, False) for i in range(20)][-1] == "worse"
    same = SequentialComparison(margin=0.1)
    assert [same.record(i, True, True) for i in range(80)][-1] == "equivalent"
    never = SequentialComparison()
    assert [never.record(i, True, True) for i in range(80)][-1] == "undecided"
    assert never.e_value == 1.0


def test_the_verdict_does_not_depend_on_the_order_of_arrival() -> None:
    rng = np.random.default_rng(5)
    outcomes = [(bool(rng.random() < 0.4), bool(rng.random() < 0.8)) for _ in range(100)]
    planned, shuffled = SequentialComparison(), SequentialComparison()
    for i, (a, b) in enumerate(outcomes):
        planned.record(i, a, b)
    for i in rng.permutation(100):
        shuffled.record(int(i), *outcomes[i])
    assert planned.verdict == "better"
    assert (planned.verdict, planned.pairs) == (shuffled.verdict, shuffled.pairs)


def test_errors_say_nothing_and_nothing_is_counted_twice() -> None:
    comparison = SequentialComparison()
    for i in range(50):
        comparison.record(i, None if i % 2 else True, None)
    assert (comparison.pairs, comparison.verdict) == (0, "undecided")
    with pytest.raises(ValueError, match="already"):
        comparison.record(3, True, True)
    for nonsense in ({"alpha": 0.0}, {"margin": 1.0}):
        with pytest.raises(ValueError, match="between 0 and 1"):
            SequentialComparison(**nonsense)


def ever(trials: int, episodes: int, both: float, a: float, b: float, margin: float | None = None) -> dict[str, float]:
    """How often each verdict is reached when looking after every episode."""
    rng = np.random.default_rng(6)
    outcomes = np.array([(1, 1), (1, 0), (0, 1), (0, 0)], bool)
    verdicts = []
    for _ in range(trials):
        comparison = SequentialComparison(margin=margin)
        for i, kind in enumerate(rng.choice(4, size=episodes, p=[both, a, b, max(0.0, 1.0 - both - a - b)])):
            if comparison.record(i, *map(bool, outcomes[kind])) != "undecided":
                break
        verdicts.append(comparison.verdict)
    return {verdict: verdicts.count(verdict) / trials for verdict in ("better", "worse", "equivalent")}


@pytest.mark.slow
def test_looking_after_every_episode_keeps_the_error_rate() -> None:
    for flips in (0.1, 0.5, 1.0):
        rates = ever(1000, 400, 1.0 - flips, flips / 2.0, flips / 2.0)
        assert rates["better"] + rates["worse"] <= 0.05
    # Arms that differ by exactly the margin are called equivalent with at most half of alpha.
    assert ever(400, 400, 0.6, 0.15, 0.25, margin=0.1)["equivalent"] <= 0.025 + 0.01


@pytest.mark.slow
def test_stopping_early_finds_what_is_there() -> None:
    assert ever(200, 400, 0.5, 0.05, 0.25)["better"] >= 0.95
