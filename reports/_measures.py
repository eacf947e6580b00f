"""Tables of the metrics that the usual tables do not have: cells as plain text, for every format to dress."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mmact_eval.reports import _text as text
from mmact_eval.results.metrics import words
from mmact_eval.results.metrics.metric import Metric
from mmact_eval.results.report_data import SuiteReport
from mmact_eval.results.summary import Row, Summary
from mmact_eval.statistics import level

TITLE = "Other measures"


@dataclass(frozen=True)
class Table:
    """Cells of plain text.

    Attributes:
        head: of the columns.
        lines: the rows; those of totals have their numbers in `totals`.
        left: how many columns are names.
        totals: numbers of the rows that sum others up.
    """

    head: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    left: int
    totals: frozenset[int] = frozenset()


def shown(suite: SuiteReport) -> list[Metric]:
    """The metrics that any arm has a value of, without those that have a table of their own."""
    totals = [arm.summary.total.measures for arm in suite.arms]
    others = [metric for metric in suite.further if not metric.apart]
    return [metric for metric in others if any(of[metric.key].n for of in totals if metric.key in of)]


def totals(suite: SuiteReport) -> Table:
    """A line for each metric, a column for each arm."""
    rows = [arm.summary.total for arm in suite.arms]
    lines = [(_head(metric), *(_cells([metric], row)[0] for row in rows)) for metric in shown(suite)]
    return Table(("measure", *(arm.arm for arm in suite.arms)), tuple(lines), 1)


def by_task(suite: SuiteReport) -> Table:
    """A line for each arm and task, and one for each arm's total."""
    metrics, several = shown(suite), len(suite.arms) > 1
    lines: list[tuple[str, ...]] = []
    sums = set()
    for arm in suite.arms:
        name = (arm.arm,) if several else ()
        lines += [(*name, row.task, *_cells(metrics, row)) for row in arm.summary.rows]
        sums.add(len(lines))
        lines.append((*name, "total", *_cells(metrics, arm.summary.total)))
    head = (*(["arm"] if several else []), "task", *map(_head, metrics))
    return Table(head, tuple(lines), 1 + several, frozenset(sums))


def differences(suite: SuiteReport, metrics: Sequence[Metric] | None = None) -> Table | None:
    """A line for each metric (None: of those shown) and arm that is compared with the first; None without any."""
    lines = [
        (
            metric.label,
            pairing.second,
            str(found.pairs),
            words.number(metric, found.first),
            words.number(metric, found.second),
            words.difference(metric, found),
            words.difference_interval(metric, found),
            text.p_value(found.p_value),
            text.p_value(found.p_holm),
        )
        for metric in (shown(suite) if metrics is None else metrics)
        for pairing in suite.pairings
        if (found := pairing.measures.get(metric.key)) is not None
    ]
    if not lines:
        return None
    head = ("measure", "arm", "pairs", suite.pairings[0].first, "this arm", "difference", level.interval_name(), "p")
    return Table((*head, f"p ({level.MANY_ARMS})"), tuple(lines), 2)


def headlines(summary: Summary) -> Iterator[str]:
    """``average length 3.20 (2.91–3.49)`` for each metric that stands beside the success rate."""
    for metric in summary.further:
        found = summary.total.measures[metric.key]
        if metric.headline and found.n:
            yield f"{metric.label} {words.with_interval(metric, found)}"


def method(suite: SuiteReport) -> str:
    """How these numbers were made, in sentences."""
    intervals = method_of(shown(suite))
    sentences = [intervals] if intervals else []
    there = {metric.key for metric in shown(suite)}
    if any(there & pairing.measures.keys() for pairing in suite.pairings):
        sentences.append(
            f"Arms are compared on the episodes for which both have a value: {level.RATE_TEST} test of rates, "
            f"{level.NUMBER_TEST} test of numbers, whose interval is {level.NUMBER_DIFFERENCE_INTERVAL}; p-values "
            f"adjusted by {level.MANY_ARMS} over the arms of one measure. Differences of shares are in points."
        )
    return " ".join(sentences)


def method_of(metrics: Sequence[Metric]) -> str:
    """The methods of their intervals in a sentence, "" if there are none."""
    methods = {f"{metric.kind.name}s": metric.kind.interval for metric in metrics if metric.kind.interval}
    intervals = [f"of {kinds} {how}" for kinds, how in sorted(methods.items())]
    return f"Intervals ({level.percent(space=text.SPACE)}): {'; '.join(intervals)}." if intervals else ""


def _cells(metrics: Sequence[Metric], row: Row) -> list[str]:
    return [words.with_interval(metric, row.measures.get(metric.key)) for metric in metrics]


def _head(metric: Metric) -> str:
    return f"{metric.label}{_ARROWS[metric.better]}"


_ARROWS = {"higher": f"{text.SPACE}↑", "lower": f"{text.SPACE}↓", "": ""}
"""Which way is better."""
