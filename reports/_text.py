"""Numbers as people read them; what does not exist is a dash."""

from __future__ import annotations

import math

from mmact_eval.results.metrics import words
from mmact_eval.results.metrics.metric import Measured
from mmact_eval.results.pairing import Pairing
from mmact_eval.results.published.chains import METRICS, STAGES, published_length
from mmact_eval.results.published.physics import physics_of
from mmact_eval.results.published.rows import PublishedResult
from mmact_eval.results.published.table import PublishedRow
from mmact_eval.results.repeats import Repeated
from mmact_eval.results.report_data import Report, SuiteReport
from mmact_eval.results.summary import Row, Summary
from mmact_eval.statistics import level

SPACE, NONE = words.SPACE, words.NONE


def percent(rate: float) -> str:
    """``66.7 %``."""
    return NONE if math.isnan(rate) else f"{100 * rate:.1f}{SPACE}%"


def interval(low: float, high: float) -> str:
    """``15.7–84.3 %``."""
    return f"{100 * low:.1f}–{100 * high:.1f}{SPACE}%"


def row_interval(row: Row) -> str:
    """The interval of a row's rate."""
    return interval(row.low, row.high) if row.completed else NONE


def points(difference: float) -> str:
    """``+3.2`` percentage points."""
    return NONE if math.isnan(difference) else f"{100 * difference:+.1f}".replace("-", "−")


def points_interval(low: float, high: float) -> str:
    """``−1.0 to +3.2`` percentage points."""
    return f"{points(low)} to {points(high)}"


def p_value(p: float) -> str:
    """``0.031``, ``< 0.001``."""
    return NONE if math.isnan(p) else f"<{SPACE}0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def p_equals(p: float) -> str:
    """``p = 0.031``, ``p < 0.001``."""
    shown = p_value(p)
    return f"p{SPACE}{shown}" if shown.startswith("<") else f"p{SPACE}={SPACE}{shown}"


def number(value: float) -> str:
    """``116.3``."""
    return NONE if math.isnan(value) else f"{value:.1f}"


def latency(row: Row) -> str:
    """``1.5 / 12.0 ms``: median and 95th percentile."""
    if math.isnan(row.latency_p50):
        return NONE
    return f"{_ms(row.latency_p50)}{SPACE}/{SPACE}{_ms(row.latency_p95)}{SPACE}ms"


def _ms(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def published(result: PublishedResult | None) -> str:
    """``97.8 % (96.1–98.9 %)``: with an interval where the number of episodes is known."""
    if result is None:
        return NONE
    rate = percent(result.value / 100.0)
    return f"{rate} ({interval(*result.interval)})" if result.interval else rate


def chain_cells(row: PublishedRow) -> list[str]:
    """1 to 5 in a row, and the average length as printed with the interval that follows from the five."""
    found = published_length(row.results)
    shares = [percent(row.results[key].value / 100.0) if key in row.results else NONE for key in METRICS[:-1]]
    length = NONE if math.isnan(found.value) else f"{found.value:.2f}"
    return [*shares, length if math.isnan(found.low) else f"{length} ({found.low:.2f}–{found.high:.2f})"]


def own_chain_cells(summary: Summary) -> list[str]:
    """The same of a run."""
    found = [summary.total.measures.get(key, Measured()) for key in METRICS]
    length = found[-1]
    shown = f"{length.value:.2f} ({length.low:.2f}–{length.high:.2f})" if length.n else NONE
    return [*(percent(one.value) for one in found[:-1]), shown]


CHAIN_HEAD = (*(f"{k} in a row" for k in range(1, STAGES + 1)), "average length")


def sources(row: PublishedRow) -> str:
    """Where a published row stands, and where its physics does."""
    return f"{row.source}; physics: {row.physics_source}" if row.physics_source else row.source


def physics_here(report: Report, arm: str) -> str:
    """The engine that an arm's runs were made in, "" if they do not tell."""
    told = (physics_of(run.run.manifest.made_with) for run in report.runs if run.arm == arm)
    return ", ".join(dict.fromkeys(physics.engine for physics in told if physics))


def best_sentence(suite: SuiteReport) -> str:
    """Which arms may be the best, "" if they were not compared; by success alone, which is said where it is not all."""
    if not suite.best:
        return ""
    by_success, longer = _lengths_beside(suite)
    named = ", ".join(_quoted(arm) for arm in suite.best)
    if len(suite.best) == len(suite.arms):
        said = "No arm is significantly worse than another: each may be the best."
    elif len(suite.best) == 1:
        return f"{by_success}{suite.best[0]} is significantly better than every other arm.{longer}"
    else:
        said = f"Indistinguishable from the best: {named}; every other arm is significantly worse than one."
    return f"{by_success}{said[0].lower() if by_success else said[0]}{said[1:]}{longer}"


def _lengths_beside(suite: SuiteReport) -> tuple[str, str]:
    """``By whole chains: `` and what is to be said of their lengths, where episodes have stages; else two times ""."""
    lengths = [metric for metric in suite.further if metric.apart]
    if not lengths:
        return "", ""
    told = ""
    for metric in lengths:
        differ = [
            _quoted(pairing.second)
            for pairing in suite.pairings
            if not pairing.blocked
            and metric.key in pairing.measures
            and pairing.measures[metric.key].p_holm < level.ALPHA
        ]
        if differ:
            against = _quoted(suite.pairings[0].first)
            told += f" The {metric.label} differs significantly from that of {against}: {', '.join(differ)}."
    return "By whole chains: ", told


def _quoted(arm: str) -> str:
    """A name with a comma in it ("vanilla, seed 1") would read as two."""
    return f"“{arm}”" if "," in arm else arm


def detectable_sentence(pairing: Pairing) -> str:
    """What a comparison could have shown, "" where there is nothing to say."""
    if pairing.blocked or math.isnan(pairing.detectable):
        return ""
    return (
        f"With {pairing.counts.n} pairs a difference of {100 * pairing.detectable:.1f} points is detected with "
        f"probability {level.percent(level.POWER)}."
    )


def repeats_difference(method: Repeated) -> str:
    """``+6.7 (−1.2 to +14.6)`` percentage points against the first, "" for the first."""
    if math.isnan(method.difference):
        return ""
    if math.isnan(method.p_value):
        return f"{points(method.difference)} (not known)"
    return f"{points(method.difference)} ({points_interval(method.low, method.high)})"


REPEATS_METHOD = (
    f"Means over repeats, with Welch's {level.percent()} t-interval of the difference in points, p-values adjusted by "
    f"{level.MANY_ARMS}. "
    "Comparisons of arms, as in the other tables, are about single repeats and do not tell how the next one turns out."
)

METHOD = (
    f"Rates are over completed episodes, with {level.RATE_INTERVAL} {level.interval_name()}s; errors are counted "
    "apart, never as failures. The total pools all episodes; the mean over tasks weighs tasks equally and has a "
    f"{level.TASK_MEAN_INTERVAL} interval. "
)
PAIRED_METHOD = (
    f"Arms are compared on the episodes that both completed: {level.RATE_TEST} test, p-values adjusted by "
    f"{level.MANY_ARMS}, interval of the difference after {level.RATE_DIFFERENCE_INTERVAL}. "
)
"""How numbers were made; the same words in every report. More in docs/statistics.md."""
