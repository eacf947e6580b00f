"""A method repeated: models trained with several seeds, say. What differs between methods, and not between two models.

Paired tests over episodes compare two checkpoints, exactly as they are. Train them again, and the difference may be
another one. What holds for the method has to be seen over trainings.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mmact_eval.statistics.many import holm
from mmact_eval.statistics.rates import mean
from mmact_eval.statistics.repeats import mean_difference


@dataclass(frozen=True)
class Repeated:
    """A method and the success rates of its repeats.

    Attributes:
        name: of the method.
        rates: of each repeat, over completed episodes; NaN where there is none.
        average: mean of those that exist.
        spread: their standard deviation; NaN with fewer than two.
        difference: of the average against the first method's; NaN for the first.
        low, high: interval of it, over repeats (see `mean_difference`); NaN where it cannot be had.
        p_value, p_holm: that it is 0, and adjusted for all methods.
    """

    name: str
    rates: tuple[float, ...]
    average: float
    spread: float
    difference: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p_value: float = math.nan
    p_holm: float = math.nan


@dataclass(frozen=True)
class Repeats:
    """Methods over repeats.

    Attributes:
        axis: what is repeated, in a word or two.
        labels: of the repeats.
        methods: the one that the others are compared with first.
    """

    axis: str
    labels: tuple[str, ...]
    methods: tuple[Repeated, ...]


def over_repeats(axis: str, labels: Sequence[str], rates: Mapping[str, Sequence[float]]) -> Repeats:
    """Compare methods over their repeats.

    Args:
        axis, labels: for people.
        rates: method → rate of each repeat, NaN where there is none; the first is what the others are compared with.
    """
    found = {name: [rate for rate in values if not math.isnan(rate)] for name, values in rates.items()}
    first = next(iter(found), "")
    methods = []
    for name, values in rates.items():
        there = found[name]
        method = Repeated(name, tuple(values), mean(there), statistics.stdev(there) if len(there) > 1 else math.nan)
        if name != first:
            difference, low, high, p = mean_difference(found[first], there)
            method = replace(method, difference=difference, low=low, high=high, p_value=p)
        methods.append(method)
    tested = [method for method in methods if not math.isnan(method.p_value)]
    adjusted = dict(zip((method.name for method in tested), holm([m.p_value for m in tested]), strict=True))
    methods = [replace(method, p_holm=adjusted.get(method.name, math.nan)) for method in methods]
    return Repeats(axis, tuple(labels), tuple(methods))
