"""A profile as tables: for the terminal, as Markdown, as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence

from mmact_eval.profiling.columns import NONE, Column, known
from mmact_eval.profiling.profile import Profile
from mmact_eval.profiling.row import Row
from mmact_eval.wording import counted

_ON_TERMINAL = frozenset({
    "ms_p50", "ms_p95", "cpu_ms_mean", "answers_per_s", "actions_per_s", "peak_process_mib", "peak_gpu_mib", "flops",
    "attention_share", "tokens", "passes", "tokens_per_s", "parameters",
})  # fmt: skip
"""What fits there."""


def label(row: Row) -> str:
    """``batch=4``, ``base point``."""
    value = "null" if row.value is None else row.value
    return f"{row.varied}={value}" if row.varied else "base point"


def title(made: Profile) -> str:
    """What was measured, in a line."""
    name = made.rows[0].policy
    as_typed = "" if name == made.policy else f" ({made.policy})"
    return f"What asking {name}{as_typed} costs, for {made.suite}"


def base_point(made: Profile) -> str:
    """The base point in words, and how it was measured."""
    point = made.rows[0].point
    parts = [f"batch {point.batch}", f"{point.instruction_words} words of instruction"]
    parts += [counted(point.threads, "thread")] if point.threads is not None else []
    parts += [f"{name}={value}" for name, value in point.policy_args.items()]
    timed = f"{made.calls} calls timed after {made.warm_up}" if made.rows[0].timing else "nothing timed"
    return f"Base point: {', '.join(parts)}; {timed}; observations made up from seed {made.seed}."


def notes(made: Profile) -> list[str]:
    """What is to be known beside the table, a sentence each."""
    said = [f"Not the real thing: {text}." for text in made.not_real]
    said += [f"Not known: {text}." for text in made.unknown]
    if made.load > made.cores and any(row.timing for row in made.rows):
        said.append(
            f"A loaded machine: {made.load:.0f} programs wanted its {counted(made.cores, 'core')}. Times on the clock "
            "are too long; processor time (CPU ms) is the better figure."
        )
    if any(row.memory and row.memory.since_start for row in made.rows):
        said.append("Peak memory is since the process began: this system does not tell it of a point alone.")
    return said


def sequences(made: Profile) -> list[str]:
    """What an answer at the base point reads, a sentence each."""
    lines = []
    for of in made.rows[0].sequences:
        kinds = ", ".join(f"{count} {kind}" for kind, count in of.tokens.items())
        times = "once" if of.passes == 1 else f"{of.passes} times"
        lines.append(f"For {of.purpose}: a sequence of {sum(of.tokens.values())} tokens ({kinds}), gone over {times}.")
    return lines


def roofs(made: Profile) -> list[str]:
    """What the device can do at most, as it was measured, a sentence each."""
    return [
        f"{roof.name} can do {roof.flops_per_s / 1e9:.4g} GFLOP/s in products of matrices, "
        f"{roof.bytes_per_s / 1e9:.3g} GB/s in copies."
        for roof in made.roofs
    ]


def terminal(made: Profile) -> str:
    """The table, facts above and notes below."""
    columns = [column for column in known(made.rows) if column.key in _ON_TERMINAL]
    head = ["", *(column.title for column in columns)]
    lines = [[label(row), *([] if row.problem else [column.cell(row) for column in columns])] for row in made.rows]
    widths = [max(len(line[place]) for line in [head, *lines] if len(line) > place) for place in range(len(head))]
    shown = [_aligned(head, widths)]
    for row, line in zip(made.rows, lines, strict=True):
        shown.append(f"{line[0].ljust(widths[0])}  {row.problem}" if row.problem else _aligned(line, widths))
    rule = "─" * max(map(len, shown[:1]))
    facts = [f"{name}: {value}" for name, value in made.facts.items()]
    below = [*notes(made), *sequences(made), *roofs(made)]
    return "\n".join(
        ["", title(made), *facts, base_point(made), rule, shown[0], rule, *shown[1:], rule, *below, ""]
    )  # fmt: skip


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = line
    return "  ".join([first.ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(others, widths[1:], strict=True))])


def markdown(made: Profile) -> str:
    """``profile.md``."""
    columns = known(made.rows)
    parts = [f"# {title(made)}", "", *(f"- **{text}**" for text in notes(made)), ""]
    parts += [base_point(made), "", *_markdown_rows(made, columns), ""]
    parts += [f"- {column.title}: {column.said}" for column in columns]
    parts += ["", *(f"- {text}" for text in (*sequences(made), *roofs(made)))]
    parts += [f"- {name}: {value}" for name, value in made.facts.items()]
    parts += ["", f"Made {made.made} by `{made.command}`.", ""]
    return "\n".join(parts)


def _markdown_rows(made: Profile, columns: Sequence[Column]) -> Iterator[str]:
    yield "| | " + " | ".join(column.title for column in columns) + " |"
    yield "|---|" + "---:|" * len(columns)
    for row in made.rows:
        cells = [row.problem, *[NONE] * (len(columns) - 1)] if row.problem else [c.cell(row) for c in columns]
        yield "| " + " | ".join(_escaped(cell) for cell in [label(row), *cells][: len(columns) + 1]) + " |"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def as_csv(made: Profile) -> str:
    """``profile.csv``: all columns and all of a point, a line for each row; empty where nothing is known."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    columns = known(made.rows)
    point = ("batch", "threads", "views", "image_size", "instruction_words")
    last = ["policy_args", "problem", "device", "dtype"]
    writer.writerow(["varied", "value", "policy", *point, *(column.key for column in columns), *last])
    for row in made.rows:
        values = [column.value(row) for column in columns]
        args = json.dumps(dict(row.point.policy_args), default=str)
        where = [row.weights.device, next(iter(row.weights.dtypes), "")] if row.weights else ["", ""]
        said = ["" if row.value is None else row.value, row.policy]
        writer.writerow([row.varied or "base", *said, *(getattr(row.point, name) for name in point),
                         *("" if value is None else value for value in values), args, row.problem, *where])  # fmt: skip
    return stream.getvalue()
