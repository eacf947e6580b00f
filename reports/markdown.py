"""``report.md``: the report that people read, rendered or raw."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mmact_eval.reports._files import write_text
from mmact_eval.summary import Row, Summary

_MAX_MESSAGE = 300

_SPACE = "\N{NO-BREAK SPACE}"
"""Between a number and its unit, so that a narrow table does not part them."""


def write(summary: Summary, out: Path) -> list[Path]:
    """Write ``report.md`` into the folder `out`.

    Raises:
        UsageError: it cannot be written.
    """
    return [write_text(out, "report.md", render(summary))]


def render(summary: Summary) -> str:
    """The report as Markdown text."""
    blocks = [
        f"# {_cell(summary.title)}: {_cell(summary.policy or 'unnamed policy')}",
        *(f"> **Not the real thing.** {_cell(sentence)}" for sentence in summary.not_real),
        _headline(summary),
        *(f"**Note.** {_cell(sentence)}" for sentence in summary.warnings),
        "## Results",
        _results(summary),
        _method(summary),
    ]
    if summary.errors:
        blocks += ["## Errors", _errors(summary)]
    blocks += ["## What was run", _pairs(("setting", "value"), summary.provenance)]
    if summary.versions:
        blocks += ["## Versions", _pairs(("package", "version"), summary.versions)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _headline(summary: Summary) -> str:
    total = summary.total
    if not total.completed:
        return "**No episode was completed.**"
    text = f"**{_percent(total.rate)}** success: {total.successes} of {total.completed} completed episodes"
    text += f" ({100 * summary.confidence:g} % interval {_interval(total)})"
    if total.errors:
        text += f"; {_percent(total.rate_all)} of all {total.episodes} episodes, errors counted as not solved"
    if len({row.completed for row in summary.rows}) > 1:
        text += f"; unweighted mean over tasks {_percent(summary.task_mean)}"
    return text + "."


def _results(summary: Summary) -> str:
    errors = summary.total.errors > 0
    head = ["task", "success", "rate", f"{100 * summary.confidence:g} % interval", "errors"]
    head += ["rate over all"] if errors else []
    head += ["steps", "steps to success", "latency p50 / p95"]
    lines = [_result(row, _cell(row.task), errors) for row in summary.rows]
    total = _result(summary.total, "total", errors)
    lines.append([f"**{text}**" if column < 3 else text for column, text in enumerate(total)])
    return "\n".join(_table(head, lines, left=1))


def _result(row: Row, name: str, errors: bool) -> list[str]:
    cells = [name, f"{row.successes}/{row.completed}", _percent(row.rate), _interval(row), str(row.errors)]
    cells += [_percent(row.rate_all)] if errors else []
    latency = (
        "–"
        if math.isnan(row.latency_p50)
        else f"{_ms(row.latency_p50)}{_SPACE}/{_SPACE}{_ms(row.latency_p95)}{_SPACE}ms"
    )
    return [*cells, _number(row.steps), _number(row.steps_success), latency]


def _method(summary: Summary) -> str:
    text = (
        f"Rates are over completed episodes, with exact (Clopper–Pearson) {100 * summary.confidence:g} % intervals; "
        "errors are counted apart, never as failures. The total pools all episodes. "
    )
    if summary.total.errors:
        text += '"Rate over all" counts an error as not solved. '
    return text + "Steps are means; latency is the duration of the policy's call that answered a query."


def _errors(summary: Summary) -> str:
    lines = []
    for result in summary.errors:
        message = result.error if len(result.error) <= _MAX_MESSAGE else result.error[:_MAX_MESSAGE] + "…"
        lines.append([_cell(result.episode.key), _cell(result.error_kind), str(result.attempts), _cell(message)])
    return "\n".join(_table(["episode", "kind", "attempts", "message"], lines, left=4))


def _pairs(head: Sequence[str], pairs: Mapping[str, str]) -> str:
    return "\n".join(_table(head, [[_cell(key), _cell(value)] for key, value in pairs.items()], left=2))


def _table(head: Sequence[str], lines: Sequence[Sequence[str]], left: int) -> Iterator[str]:
    """A table whose raw text is aligned too; the first `left` columns to the left, the others to the right."""
    widths = [max(3, *(len(line[column]) for line in [head, *lines])) for column in range(len(head))]

    def joined(cells: Sequence[str]) -> str:
        padded = [
            text.ljust(width) if column < left else text.rjust(width)
            for column, (text, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    yield joined(head)
    yield "|" + "|".join(f"{'-' * (w + 2)}" if c < left else f"{'-' * (w + 1)}:" for c, w in enumerate(widths)) + "|"
    yield from map(joined, lines)


def _cell(text: str) -> str:
    """Text that cannot break out of its cell or become markup; names with underscores stay readable."""
    text = re.sub(r"([\\|`*<\[\]]|&(?=[\w#]+;)|~(?=~))", r"\\\1", " ".join(text.split()))
    return re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text)


def _percent(rate: float) -> str:
    return "–" if math.isnan(rate) else f"{100 * rate:.1f}{_SPACE}%"


def _interval(row: Row) -> str:
    return f"{100 * row.low:.1f}–{100 * row.high:.1f}{_SPACE}%" if row.completed else "–"


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.1f}"


def _ms(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"
