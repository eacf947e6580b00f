"""The kinds of metrics: rate, share, mean, average length, percentile, sum. Each has one interval, one comparison."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mmact_eval.results.metrics.metric import Difference, Measured, Value
from mmact_eval.statistics import level
from mmact_eval.statistics.lengths import average_length, length_counts
from mmact_eval.statistics.level import CONFIDENCE
from mmact_eval.statistics.means import mean_interval, share_interval
from mmact_eval.statistics.paired import PairCounts, difference_interval, mcnemar
from mmact_eval.statistics.paired_numbers import paired_difference
from mmact_eval.statistics.paired_whole import paired_whole_difference
from mmact_eval.statistics.rates import clopper_pearson, mean, percentile


@dataclass(frozen=True)
class Rate:
    """In how many of n episodes something is so. Values: 1 or 0."""

    name = "rate"
    share = True
    interval = level.RATE_INTERVAL
    test = level.RATE_TEST

    def measure(self, values: Sequence[Value], confidence: float = CONFIDENCE) -> Measured:
        """k of n; the interval is (0, 1) for n = 0."""
        hits, n = sum(map(bool, values)), len(values)
        return Measured(hits / n if n else math.nan, *clopper_pearson(hits, n, confidence), n)

    def compare(self, pairs: Sequence[tuple[Value, Value]], confidence: float = CONFIDENCE) -> Difference:
        """Exact McNemar, and the interval that fits it."""
        counts = PairCounts.of((bool(a), bool(b)) for a, b in pairs)
        if not counts.n:
            return Difference()
        first, second = ((counts.both + only) / counts.n for only in (counts.only_a, counts.only_b))
        interval = difference_interval(counts, confidence)
        return Difference(counts.n, first, second, counts.difference, *interval, mcnemar(counts))


@dataclass(frozen=True)
class Mean:
    """The mean over episodes. Values: a number; or (number, weight), for means over different numbers of things.

    Attributes:
        least: what no number is below, and so no mean: 0 for a duration, say. The interval does not go below it.
    """

    least: float = -math.inf
    name = "mean"
    share = False
    interval = level.MEAN_INTERVAL
    test = level.NUMBER_TEST

    def measure(self, values: Sequence[Value], confidence: float = CONFIDENCE) -> Measured:
        """The mean with its t-interval, as far as numbers go."""
        value, low, high = mean_interval(*_weighted(values), confidence)
        return Measured(value, low if math.isnan(low) else max(low, self.least), high, len(values))

    def compare(self, pairs: Sequence[tuple[Value, Value]], confidence: float = CONFIDENCE) -> Difference:
        """The permutation test of the paired differences, each pair counting the same, and its interval."""
        if not pairs:
            return Difference()
        first, second = ([_weighted([of[i]])[0][0] for of in pairs] for i in (0, 1))
        found = paired_difference([b - a for a, b in zip(first, second, strict=True)], confidence)
        means = (mean(first), mean(second))
        return Difference(len(pairs), *means, found.difference, found.low, found.high, found.p_value)


@dataclass(frozen=True)
class Share(Mean):
    """The share of all things, of which an episode may have several. Values: (share in this episode, how many)."""

    name = "share"
    share = True
    interval = level.SHARE_INTERVAL

    def measure(self, values: Sequence[Value], confidence: float = CONFIDENCE) -> Measured:
        """The share with an interval that knows that things of one episode are alike."""
        return Measured(*share_interval(*_weighted(values), confidence), len(values))


@dataclass(frozen=True)
class Length:
    """The average length of chains. Values: how many tasks of a chain were solved in a row.

    Attributes:
        most: of a whole chain.
    """

    most: int
    name = "average length"
    share = False
    interval = level.LENGTH_INTERVAL
    test = level.WHOLE_TEST

    def measure(self, values: Sequence[Value], confidence: float = CONFIDENCE) -> Measured:
        """The mean with an interval that knows that lengths are 0 to `most`; without chains it is all of that."""
        lengths = [int(number) for of in values for number in _several(of)]
        return Measured(*average_length(length_counts(lengths, self.most), confidence), len(lengths))

    def compare(self, pairs: Sequence[tuple[Value, Value]], confidence: float = CONFIDENCE) -> Difference:
        """The exact sign-flip test of the paired differences, and its interval."""
        if not pairs:
            return Difference()
        first, second = ([int(_several(of[i])[0]) for of in pairs] for i in (0, 1))
        found = paired_whole_difference([b - a for a, b in zip(first, second, strict=True)], confidence)
        means = (mean(first), mean(second))
        return Difference(len(pairs), *means, found.difference, found.low, found.high, found.p_value)


@dataclass(frozen=True)
class Percentile:
    """A percentile over whatever episodes have several of (queries, say). Values: all of an episode's numbers.

    Attributes:
        percent: 0 to 100.
    """

    percent: float
    share = False
    interval = ""
    test = ""

    @property
    def name(self) -> str:
        """``percentile 95``."""
        return "median" if self.percent == 50.0 else f"percentile {self.percent:g}"

    def measure(self, values: Sequence[Value], confidence: float = CONFIDENCE) -> Measured:
        """Over all episodes' numbers together."""
        numbers = [number for of in values for number in _several(of)]
        return Measured(percentile(numbers, self.percent), n=len(values))

    def compare(self, pairs: Sequence[tuple[Value, Value]], confidence: float = CONFIDENCE) -> Difference:
        """Nothing: numbers of one episode are alike, and how much is not known."""
        return Difference()


@dataclass(frozen=True)
class Sum:
    """All episodes together. Values: a number."""

    name = "sum"
    share = False
    interval = ""
    test = ""

    def measure(self, values: Sequence[Value], confidence: float = CONFIDENCE) -> Measured:
        """The sum; whole numbers stay whole."""
        return Measured(sum(number for of in values for number in _several(of)), n=len(values))

    def compare(self, pairs: Sequence[tuple[Value, Value]], confidence: float = CONFIDENCE) -> Difference:
        """Nothing: it depends on how many episodes there are."""
        return Difference()


def _several(value: Value) -> tuple[float, ...]:
    return value if isinstance(value, tuple) else (value,)


def _weighted(values: Sequence[Value]) -> tuple[list[float], list[float]]:
    """Numbers and weights; those without a weight weigh 1."""
    both = [(value[0], value[1]) if isinstance(value, tuple) else (float(value), 1.0) for value in values]
    return [number for number, _ in both], [weight for _, weight in both]
