"""Several arms: Holm's correction, and which arms may be the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations

from mmact_eval.statistics.level import ALPHA
from mmact_eval.statistics.paired import PairCounts, better_p_value


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for asking several questions (Holm, Scand. J. Statist. 1979), in the order given.

    Calling everything at or below `alpha` a difference then errs in any of them with probability at most `alpha`,
    however the tests depend on each other.

    Raises:
        ValueError: a value is not between 0 and 1.
    """
    if not all(0.0 <= p <= 1.0 for p in p_values):
        raise ValueError(f"p-values must be 0 to 1, got {list(p_values)}")
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def best_arms(pairs: Mapping[tuple[str, str], PairCounts], arms: Sequence[str], alpha: float = ALPHA) -> list[str]:
    """The arms that may be the best: with probability at least 1 - `alpha` the truly best one is among them.

    An arm leaves the set when some other arm beats it in the exact one-sided test at level alpha / (number of other
    arms). The truly best arm leaves it only by a false alarm in one of these tests, so by Bonferroni's inequality with
    probability at most alpha. (It is the idea of a model confidence set, or of Hsu's multiple comparisons with the
    best, with exact tests.)

    Args:
        pairs: for every ordered or unordered pair of arms the counts of (first, second).
        arms: their names, in the order wanted; arms without pairs stay in the set, as nothing speaks against them.
        alpha: error probability of the set.

    Raises:
        KeyError: a pair of arms is in `pairs` in neither order.
    """
    beaten = set()
    for worse, better in permutations(arms, 2):
        if (worse, better) in pairs:
            counts = pairs[worse, better]
        else:
            reverse = pairs[better, worse]
            counts = PairCounts(reverse.both, reverse.only_b, reverse.only_a, reverse.neither)
        if better_p_value(counts) <= alpha / (len(arms) - 1):
            beaten.add(worse)
    return [arm for arm in arms if arm not in beaten]
