"""A summary, and arms against the first one, for the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from mmact_eval.results.comparable import allowing
from mmact_eval.results.metrics import words
from mmact_eval.results.metrics.metric import Metric
from mmact_eval.results.report_data import SuiteReport
from mmact_eval.results.summary import Row, Summary
from mmact_eval.statistics.level import RATE_TEST, interval_name

_TASK_WIDTH = 64


def text_table(summary: Summary, arm: str = "") -> str:
    """Per task and in total: successes, rate with its exact interval, errors apart, steps, latency, headlines; and
    below the table what else was measured, in total.

    Args:
        summary: a run, counted.
        arm: its name in a report of several; "" for the policy's.
    """
    beside = [metric for metric in summary.further if metric.headline]
    head: tuple[str, ...] = ("task", "success", "rate", interval_name(summary.confidence), "errors", "steps",
                             "latency p50/p95", *(metric.label for metric in beside))  # fmt: skip
    lines = [_cells(row) + _measures(beside, row) for row in summary.rows]
    total = _cells(summary.total, "total") + _measures(beside, summary.total)
    widths = [max(len(line[i]) for line in [head, *lines, total]) for i in range(len(head))]
    rule = "─" * (sum(widths) + 2 * (len(widths) - 1))

    def joined(cells: tuple[str, ...]) -> str:
        first, *rest = (
            c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))
        )
        return "  ".join([first, *rest])

    title = f"{summary.title}: {arm or summary.policy}"
    notes = [f"Not the real thing: {text}" for text in summary.not_real] + [
        f"Note: {text}" for text in summary.warnings
    ]
    said = [*(summary.plans.sentences if summary.plans else ()), *_others(summary)]
    return "\n".join(["", title, *notes, rule, joined(head), rule, *map(joined, lines), rule, joined(total), *said, ""])


def text_pairings(suite: SuiteReport) -> str:
    """Each other arm against the first, a line each; "" with one arm."""
    if not suite.pairings:
        return ""
    lines = [f"{suite.title}: against {suite.arms[0].arm}, on the same episodes ({RATE_TEST}, p after Holm)"]
    width = max(len(pairing.second) for pairing in suite.pairings)
    for pairing in suite.pairings:
        if pairing.blocked:
            options = allowing(pairing.blocked)
            hint = f" ({options} compares them all the same)" if options else ""
            said = f"not compared: {'; '.join(pairing.blocked)}{hint}"
        else:
            low, high = pairing.interval
            said = (
                f"{100 * pairing.counts.difference:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f}), "
                f"p = {pairing.p_holm:.2g}; {pairing.counts.only_b} gained, {pairing.counts.only_a} lost "
                f"of {pairing.counts.n} pairs"
            )
        lines.append(f"  {pairing.second.ljust(width)}  {said}")
    return "\n".join([*lines, ""])


def _cells(row: Row, name: str | None = None) -> tuple[str, ...]:
    task = short_task(name or row.task)
    rate = "–" if math.isnan(row.rate) else f"{100 * row.rate:.1f} %"
    interval = f"{100 * row.low:.1f}–{100 * row.high:.1f} %" if row.completed else "–"
    steps = "–" if math.isnan(row.steps) else f"{row.steps:.0f}"
    latency = "–" if math.isnan(row.latency_p50) else f"{row.latency_p50:.1f}/{row.latency_p95:.1f} ms"
    return (task, f"{row.successes}/{row.completed}", rate, interval, str(row.errors), steps, latency)


def _measures(metrics: Sequence[Metric], row: Row) -> tuple[str, ...]:
    return tuple(_spaced(words.with_interval(metric, row.measures[metric.key])) for metric in metrics)


def _others(summary: Summary) -> Iterator[str]:
    """``length: 3.20 (2.91–3.49), mean of 40 episodes`` for what has no column."""
    for metric in summary.further:
        found = summary.total.measures[metric.key]
        if found.n and not metric.headline:
            of = f"{metric.kind.name} of {found.n} episode{'' if found.n == 1 else 's'}"
            yield _spaced(f"{metric.label}: {words.with_interval(metric, found)}, {of}")


def _spaced(text: str) -> str:
    return text.replace(words.SPACE, " ")


def short_task(name: str) -> str:
    """A task's name for a table, long ones without their middle."""
    if len(name) <= _TASK_WIDTH:
        return name
    return name[: _TASK_WIDTH // 2] + "…" + name[-(_TASK_WIDTH // 2 - 1) :]
