"""A metric: what an episode is worth in some respect, and how that becomes a number for many episodes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from mmact_eval.statistics.level import CONFIDENCE
from mmact_eval.types import EpisodeResult

Value = float | tuple[float, ...]
"""Of an episode: a number, with its weight, or several; see the kinds."""


@dataclass(frozen=True)
class Measured:
    """A metric of some episodes. What does not exist is NaN.

    Attributes:
        value: the number.
        low, high: its interval at the level of `mmact_eval.statistics.level`.
        n: episodes that it rests on.
    """

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    n: int = 0

    @property
    def interval(self) -> tuple[float, float] | None:
        """Low and high, None without an interval."""
        return None if math.isnan(self.low) or not self.n else (self.low, self.high)

    def record(self) -> dict[str, Any]:
        """``{"value": 3.2, "interval": [2.9, 3.5], "n": 40}``; the interval may be None, the value NaN."""
        return {"value": self.value, "interval": list(self.interval) if self.interval else None, "n": self.n}


@dataclass(frozen=True)
class Difference:
    """A metric of two arms on the same episodes, second minus first. What does not exist is NaN.

    Attributes:
        pairs: episodes for which both have a value.
        first, second: the arms' values on these.
        difference: of these.
        low, high: its interval.
        p_value: two-sided, that there is no difference.
        p_holm: adjusted for the arms that were compared in this metric.
    """

    pairs: int = 0
    first: float = math.nan
    second: float = math.nan
    difference: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p_value: float = math.nan
    p_holm: float = math.nan

    def record(self) -> dict[str, Any]:
        """By these names, with low and high as ``interval``, which may be None."""
        return {
            "pairs": self.pairs,
            "first": self.first,
            "second": self.second,
            "difference": self.difference,
            "interval": None if math.isnan(self.low) else [self.low, self.high],
            "p_value": self.p_value,
            "p_holm": self.p_holm,
        }


class Kind(Protocol):
    """How values of episodes become one number.

    Attributes:
        name: in a word or two.
        share: whether numbers are 0 to 1 and shown in percent.
        interval: the method of the interval, "" if there is none.
        test: the method of the comparison, "" if there is none.
    """

    @property
    def name(self) -> str: ...
    @property
    def share(self) -> bool: ...
    @property
    def interval(self) -> str: ...
    @property
    def test(self) -> str: ...

    def measure(self, values: Sequence[Value], confidence: float = CONFIDENCE) -> Measured:
        """The number for these episodes."""
        ...

    def compare(self, pairs: Sequence[tuple[Value, Value]], confidence: float = CONFIDENCE) -> Difference:
        """The second of each pair against the first."""
        ...


@dataclass(frozen=True)
class Metric:
    """What is measured.

    Attributes:
        key: unique; the column of tables for programs. For a figure its name, as ``env/length``.
        label: for people.
        kind: how values become a number (see `mmact_eval.results.metrics.kinds`).
        value: what an episode is worth, as the kind wants it; None if it has no value (an error, say).
        unit: behind the number, "" for none.
        better: which way is better, "" if that cannot be said.
        digits: decimals for people; None for three significant digits.
        figures: of episodes, which it speaks of: they have no columns of their own, and without the first it is left
            out.
        headline: whether it stands beside the success rate.
        standard: whether the usual tables have it, at their places.
        compared: whether arms are compared in it.
        apart: whether reports for people have it in the table of stages and not among other measures.
    """

    key: str
    label: str
    kind: Kind
    value: Callable[[EpisodeResult], Value | None]
    unit: str = ""
    better: Literal["higher", "lower", ""] = ""
    digits: int | None = None
    figures: tuple[str, ...] = ()
    headline: bool = False
    standard: bool = False
    compared: bool = True
    apart: bool = False
