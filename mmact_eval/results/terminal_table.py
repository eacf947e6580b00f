"""A summary as a table for the terminal."""

from __future__ import annotations

import math

from mmact_eval.results.summary import Row, Summary

_TASK_WIDTH = 64


def text_table(summary: Summary, arm: str = "") -> str:
    """Per task and in total: successes, rate with its exact interval, errors apart, steps, latency.

    Args:
        summary: a run, counted.
        arm: its name in a report of several; "" for the policy's.
    """
    head = ("task", "success", "rate", f"{100 * summary.confidence:g} % interval", "errors", "steps", "latency p50/p95")
    lines = [_cells(row) for row in summary.rows]
    total = _cells(summary.total, "total")
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
    said = summary.plans.sentences if summary.plans else ()
    return "\n".join(["", title, *notes, rule, joined(head), rule, *map(joined, lines), rule, joined(total), *said, ""])


def _cells(row: Row, name: str | None = None) -> tuple[str, ...]:
    task = short_task(name or row.task)
    rate = "–" if math.isnan(row.rate) else f"{100 * row.rate:.1f} %"
    interval = f"{100 * row.low:.1f}–{100 * row.high:.1f} %" if row.completed else "–"
    steps = "–" if math.isnan(row.steps) else f"{row.steps:.0f}"
    latency = "–" if math.isnan(row.latency_p50) else f"{row.latency_p50:.1f}/{row.latency_p95:.1f} ms"
    return (task, f"{row.successes}/{row.completed}", rate, interval, str(row.errors), steps, latency)


def short_task(name: str) -> str:
    """A task's name for a table, long ones without their middle."""
    if len(name) <= _TASK_WIDTH:
        return name
    return name[: _TASK_WIDTH // 2] + "…" + name[-(_TASK_WIDTH // 2 - 1) :]
