"""Numbers of metrics as people read them; what does not exist is a dash."""

from __future__ import annotations

import math

from mmact_eval.results.metrics.metric import Difference, Measured, Metric

SPACE = "\N{NO-BREAK SPACE}"
"""Between a number and its unit, so that a narrow table does not part them."""

NONE = "–"


def number(metric: Metric, value: float) -> str:
    """``66.7 %``, ``3.20``, ``24.1 dB``."""
    if math.isnan(value):
        return NONE
    return f"{_plain(metric, value, value)}{_unit(metric)}"


def interval(metric: Metric, low: float, high: float) -> str:
    """``15.7–84.3 %``, ``−0.91 to 3.49``: of units percent alone, a word where a minus might be taken for a dash."""
    return _interval(metric, low, high, max(abs(low), abs(high)))


def with_interval(metric: Metric, found: Measured | None) -> str:
    """``3.20 of 5 (2.91–3.49)``."""
    if found is None or not found.n or math.isnan(found.value):
        return NONE
    if not found.interval:
        return number(metric, found.value)
    size = max(map(abs, (found.value, *found.interval)))
    return f"{_plain(metric, found.value, size)}{_unit(metric)} ({_interval(metric, *found.interval, size)})"


def difference(metric: Metric, found: Difference) -> str:
    """``+0.31``, with as many decimals as the arms' numbers; of percentages the percentage points."""
    return NONE if math.isnan(found.difference) else _signed(metric, found.difference, found)


def difference_interval(metric: Metric, found: Difference) -> str:
    """``−0.12 to +0.74``."""
    if math.isnan(found.low):
        return NONE
    return f"{_signed(metric, found.low, found)} to {_signed(metric, found.high, found)}"


def _interval(metric: Metric, low: float, high: float, size: float) -> str:
    if math.isnan(low) or math.isnan(high):
        return NONE
    between = " to " if low < 0 else "–"
    unit = _unit(metric) if metric.kind.share else ""
    return f"{_plain(metric, low, size)}{between}{_plain(metric, high, size)}{unit}"


def _signed(metric: Metric, value: float, of: Difference) -> str:
    shown = _plain(metric, value, max(abs(of.first), abs(of.second)))
    return shown if shown.startswith("−") else f"+{shown}"


def _plain(metric: Metric, value: float, size: float) -> str:
    """A number; `size` is the largest of those that have as many decimals."""
    if metric.kind.share:
        return f"{100.0 * value:.1f}".replace("-", "−")
    digits = metric.digits
    if digits is None:
        digits = 0 if not size else min(6, max(0, 2 - math.floor(math.log10(abs(size)))))
    return f"{value:.{digits}f}".replace("-", "−")


def _unit(metric: Metric) -> str:
    unit = "%" if metric.kind.share else metric.unit
    return f"{SPACE}{unit}" if unit else ""
