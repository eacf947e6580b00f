"""Histograms of the page, counted here and drawn with plain boxes: they need no script and follow the theme."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmact_eval.results.report_data import SuiteReport

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mmact_eval.types import EpisodeResult

_BINS = 40


@dataclass(frozen=True)
class Histogram:
    """One arm's distribution.

    Attributes:
        arm: index of the arm.
        bars: (height 0 to 1, label) of each bin.
        note: what to know in numbers.
    """

    arm: int
    bars: tuple[tuple[float, str], ...]
    note: str


@dataclass(frozen=True)
class Chart:
    """Histograms of all arms over the same bins.

    Attributes:
        title: what is counted.
        ticks: labels under the axis, evenly spaced.
        rows: an arm each.
    """

    title: str
    ticks: tuple[str, ...]
    rows: tuple[Histogram, ...]


def charts(suite: SuiteReport) -> list[Chart]:
    """Steps to success and the policy's latency, of those that there are."""
    return [chart for chart in (_steps(suite), _latency(suite)) if chart is not None]


def _steps(suite: SuiteReport) -> Chart | None:
    values = [[float(r.steps) for r in arm.run.results if r.outcome == "success"] for arm in suite.arms]
    top = max((max(of) for of in values if of), default=0.0)
    if not top:
        return None
    width = max(1.0, math.ceil(top / _BINS))
    bins = math.ceil((top + 1) / width)
    rows = []
    for index, of in enumerate(values):
        counts = [0] * bins
        for value in of:
            counts[int(value / width)] += 1
        labels = [_range(i * width, (i + 1) * width - 1, "steps") for i in range(bins)]
        middle = sorted(of)[len(of) // 2] if of else math.nan
        note = f"{len(of)} successes, median {middle:.0f} steps" if of else "no success"
        rows.append(Histogram(index, _bars(counts, labels), note))
    return Chart("Steps to success", tuple(f"{bins * width * i / 4:.0f}" for i in range(5)), tuple(rows))


def _range(low: float, high: float, unit: str) -> str:
    return f"{low:.0f} {unit}" if low == high else f"{low:.0f} to {high:.0f} {unit}"


def _latency(suite: SuiteReport) -> Chart | None:
    import numpy as np

    values = [
        np.array([1000.0 * s for r in arm.run.results for s in r.latencies if s > 0.0], float) for arm in suite.arms
    ]
    known = [of for of in values if len(of)]
    if not known:
        return None
    low = math.floor(4.0 * math.log10(max(min(float(np.percentile(of, 0.1)) for of in known), 1e-3))) / 4.0
    high = math.ceil(4.0 * math.log10(max(float(np.percentile(of, 99.9)) for of in known))) / 4.0
    high = max(high, low + 0.5)
    edges = np.logspace(low, high, _BINS + 1)
    labels = [f"{_ms(edges[i])} to {_ms(edges[i + 1])}" for i in range(_BINS)]
    rows = []
    for index, (arm, of) in enumerate(zip(suite.arms, values, strict=True)):
        counts = np.histogram(np.clip(of, edges[0], edges[-1]), edges)[0].tolist()
        rows.append(Histogram(index, _bars(counts, labels), _latency_note(of, _executed(arm.run.results))))
    ticks = tuple(_ms(10 ** (low + (high - low) * i / 4)) for i in range(5))
    return Chart("Latency of the policy's answers", ticks, tuple(rows))


def _latency_note(values: NDArray[np.float64], executed: float) -> str:
    if not len(values):
        return "no answers"
    import numpy as np

    median, late = (float(v) for v in np.percentile(values, [50, 95]))
    rate = f", {1000.0 * executed / median:.0f} actions a second at {executed:.3g} an answer" if median else ""
    return f"{len(values)} answers, median {_ms(median)}, 95 % within {_ms(late)}{rate}"


def _executed(results: Sequence[EpisodeResult]) -> float:
    """Mean of the actions that were executed for an answer."""
    answers = sum(result.queries for result in results)
    return sum(result.steps for result in results) / answers if answers else 0.0


def _ms(value: float) -> str:
    if value >= 1000.0:
        return f"{value / 1000.0:.3g} s"
    return f"{value:.0f} ms" if value >= 100.0 else f"{value:.2g} ms"


def _bars(counts: Sequence[int], labels: Sequence[str]) -> tuple[tuple[float, str], ...]:
    top = max(counts) or 1
    return tuple((count / top, f"{label}: {count}") for count, label in zip(counts, labels, strict=True))
