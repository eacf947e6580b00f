"""``report.md``: the report that people read, rendered or raw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from mmact_eval.reports import _measures as measures
from mmact_eval.reports import _stages as stages
from mmact_eval.reports import _text as text
from mmact_eval.reports._files import write_text
from mmact_eval.reports._markdown_table import bold, cell, pairs, table
from mmact_eval.results.published.physics import NOT_STATED
from mmact_eval.results.published.rows import KINDS
from mmact_eval.results.published.table import PublishedChains, PublishedTable
from mmact_eval.results.repeats import Repeats
from mmact_eval.results.report_data import ArmRun, Report, SuiteReport
from mmact_eval.results.summary import Row, Summary
from mmact_eval.statistics import level
from mmact_eval.wording import counted

_MAX_MESSAGE = 300


def write(report: Report, out: Path) -> list[Path]:
    """Write ``report.md`` into the folder `out`.

    Raises:
        UsageError: it cannot be written.
    """
    return [write_text(out, "report.md", render(report))]


def render(report: Report) -> str:
    """The report as Markdown text."""
    return "\n\n".join(block for block in _blocks(report) if block) + "\n"


def _blocks(report: Report) -> Iterator[str]:
    single = len(report.runs) == 1
    yield f"# {cell(report.title)}"
    yield from (f"> **Not the real thing.** {cell(sentence)}" for sentence in report.not_real)
    yield from (f"**Note.** {cell(sentence)}" for sentence in report.warnings)
    if not single:
        yield _overview(report)
    if report.repeats is not None:
        yield from _repeats(report.repeats)
    for suite in report.suites:
        yield from _suite(suite, "" if single or len(report.suites) == 1 else f"## {cell(suite.title)}")
    yield (
        text.METHOD
        + (text.PAIRED_METHOD if any(suite.pairings for suite in report.suites) else "")
        + ("Steps are means; latency is the duration of the policy's call that answered a query.")
    )
    if report.published is not None:
        yield "## Published numbers"
        if report.published.rows:
            yield _published(report, report.published)
        for chains in report.published.chains:
            yield _published_chains(report, chains)
    yield from _errors(report)
    for suite in report.suites:
        name = f": {cell(suite.title)}" if len(report.suites) > 1 else ""
        yield f"## What was run{name}"
        yield _facts(suite, "setting", {arm.arm: arm.summary.provenance for arm in suite.arms})
        yield f"## Versions{name}"
        yield _facts(suite, "package", {arm.arm: arm.summary.versions for arm in suite.arms})


def _facts(suite: SuiteReport, what: str, of: Mapping[str, Mapping[str, str]]) -> str:
    """Label and value; with several arms only what differs has a column for each."""
    if len(of) == 1:
        return pairs((what, "value"), of[suite.arms[0].arm])
    labels = list(dict.fromkeys(label for facts in of.values() for label in facts))
    values = {label: [facts.get(label, text.NONE) for facts in of.values()] for label in labels}
    same = {label: found[0] for label, found in values.items() if len(set(found)) == 1}
    lines = [[cell(label), *map(cell, found)] for label, found in values.items() if label not in same]
    tables = [table([what, *map(cell, of)], lines, left=1 + len(of))] if lines else []
    return "\n\n".join([*tables, pairs((f"{what}, the same in all arms", "value"), same)])


def _overview(report: Report) -> str:
    """Arms × suites: the layout of papers."""
    head = ["arm", *(cell(suite.title) for suite in report.suites)] + (["mean over suites"] if report.averages else [])
    lines = []
    for arm in report.arms:
        cells = [cell(arm)]
        for suite in report.suites:
            run = next((run for run in suite.arms if run.arm == arm), None)
            shown = (
                ""
                if run is None
                else f"{text.percent(run.summary.total.rate)} ({text.row_interval(run.summary.total)})"
            )
            cells.append(shown or text.NONE)
        if report.averages:
            mean = report.averages.get(arm)
            cells.append(f"{text.percent(mean.rate)} ({text.interval(mean.low, mean.high)})" if mean else text.NONE)
        lines.append(cells)
    return table(head, lines)


def _repeats(repeats: Repeats) -> Iterator[str]:
    """Methods over their repeats: what a study with training seeds is read for."""
    yield f"## Over repeats ({cell(repeats.axis)})"
    head = ["", *map(cell, repeats.labels), "mean", "standard deviation", "difference, points", "p (Welch)", "p (Holm)"]
    lines = []
    for method in repeats.methods:
        cells = [cell(method.name), *map(text.percent, method.rates), text.percent(method.average)]
        cells += [text.percent(method.spread), text.repeats_difference(method)]
        lines.append([*cells, cell(text.p_value(method.p_value)), cell(text.p_value(method.p_holm))])
    yield table(head, lines)
    yield text.REPEATS_METHOD


def _suite(suite: SuiteReport, heading: str) -> Iterator[str]:
    yield heading
    several = len(suite.arms) > 1
    for arm in suite.arms:
        prefix = f"{cell(arm.arm)}: " if several else ""
        yield prefix + _headline(arm.summary)
        if arm.summary.plans:
            yield prefix + cell(" ".join(arm.summary.plans.sentences))
        yield from (f"**Note.** {prefix}{cell(sentence)}" for sentence in arm.summary.warnings)
    yield from (f"**Note.** {cell(sentence)}" for sentence in suite.notes)
    yield "## Results" if not heading else ""
    yield _arms_by_task(suite) if several else _results(suite.arms[0].summary)
    if suite.pairings:
        yield f"Against {cell(suite.pairings[0].first)}, on the episodes that both completed:"
        yield _pairings(suite)
        yield " ".join(filter(None, [cell(text.best_sentence(suite)), text.detectable_sentence(suite.pairings[0])]))
    if stages.shown(suite):
        yield from _stages(suite, "###" if heading else "##")
    if measures.shown(suite):
        yield f"{'###' if heading else '##'} {measures.TITLE}"
        yield _plain_table(measures.by_task(suite))
        compared = measures.differences(suite)
        if compared:
            yield f"Against {cell(suite.pairings[0].first)}:"
            yield _plain_table(compared)
        yield cell(measures.method(suite))


def _stages(suite: SuiteReport, marks: str) -> Iterator[str]:
    """Where episodes have stages: how many in a row, and each of what was asked."""
    yield f"{marks} {stages.TITLE}"
    yield _plain_table(stages.in_a_row(suite))
    compared = stages.compared(suite)
    if compared:
        yield f"Against {cell(suite.pairings[0].first)}:"
        yield _plain_table(compared)
    sub_tasks = stages.sub_tasks(suite)
    if sub_tasks:
        yield f"{marks} {stages.SUB_TASKS}"
        yield _plain_table(sub_tasks)
    yield cell(stages.method(suite))


def _plain_table(plain: measures.Table) -> str:
    lines = [
        bold(list(map(cell, line)), len(line)) if number in plain.totals else list(map(cell, line))
        for number, line in enumerate(plain.lines)
    ]
    return table(list(map(cell, plain.head)), lines, left=plain.left)


def _headline(summary: Summary) -> str:
    total = summary.total
    if not total.completed:
        return "**No episode was completed.**"
    completed = counted(total.completed, "completed episode")
    line = f"**{text.percent(total.rate)}** success: {total.successes} of {completed}"
    line += f" ({level.interval_name(summary.confidence)} {text.row_interval(total)})"
    if total.errors:
        line += f"; {text.percent(total.rate_all)} of all {total.episodes} episodes, errors counted as not solved"
    if sum(row.completed > 0 for row in summary.rows) > 1:
        line += f"; mean over tasks {text.percent(summary.task_mean)}"
        line += f" ({text.interval(summary.task_mean_low, summary.task_mean_high)})"
    return "; ".join([line, *map(cell, measures.headlines(summary))]) + "."


def _results(summary: Summary) -> str:
    errors = summary.total.errors > 0
    head = ["task", "success", "rate", level.interval_name(summary.confidence), "errors"]
    head += ["rate over all"] if errors else []
    head += ["steps", "steps to success", "latency p50 / p95"]
    lines = [_result(row, cell(row.task), errors) for row in summary.rows]
    return table(head, [*lines, bold(_result(summary.total, "total", errors), 3)])


def _result(row: Row, name: str, errors: bool) -> list[str]:
    cells = [name, f"{row.successes}/{row.completed}", text.percent(row.rate), text.row_interval(row), str(row.errors)]
    cells += [text.percent(row.rate_all)] if errors else []
    return [*cells, text.number(row.steps), text.number(row.steps_success), text.latency(row)]


def _arms_by_task(suite: SuiteReport) -> str:
    lines = [[cell(task), *(_of_task(arm, task) for arm in suite.arms)] for task in suite.tasks]
    total = ["total", *(_rate(arm.summary.total) for arm in suite.arms)]
    means = ["mean over tasks", *(_mean(arm.summary) for arm in suite.arms)]
    return table(["task", *(cell(arm.arm) for arm in suite.arms)], [*lines, bold(total, len(total)), means])


def _of_task(arm: ArmRun, task: str) -> str:
    row = next((row for row in arm.summary.rows if row.task == task), None)
    return text.NONE if row is None else _rate(row)


def _rate(row: Row) -> str:
    if not row.completed:
        return text.NONE if not row.errors else counted(row.errors, "error")
    errors = f", {counted(row.errors, 'error')}" if row.errors else ""
    return f"{text.percent(row.rate)} ({row.successes}/{row.completed}{errors})"


def _mean(summary: Summary) -> str:
    if not summary.total.completed:
        return text.NONE
    return f"{text.percent(summary.task_mean)} ({text.interval(summary.task_mean_low, summary.task_mean_high)})"


def _pairings(suite: SuiteReport) -> str:
    head = ["arm", "pairs", "gained", "lost", "difference, points", level.interval_name(), "p (McNemar)", "p (Holm)"]
    lines = []
    for pairing in suite.pairings:
        counts = pairing.counts
        if pairing.blocked:
            lines.append([cell(pairing.second), "not comparable", *[text.NONE] * (len(head) - 2)])
            continue
        cells = [cell(pairing.second), str(counts.n), str(counts.only_b), str(counts.only_a)]
        cells += [text.points(counts.difference), text.points_interval(*pairing.interval)]
        lines.append([*cells, cell(text.p_value(pairing.p_value)), cell(text.p_value(pairing.p_holm))])
    return table(head, lines)


def _published(report: Report, published: PublishedTable) -> str:
    """Runs first, then what others report; a row is one model as measured in one way."""
    titles = {suite.suite: suite.title for suite in report.suites}
    head = ["model", *(cell(titles[suite]) for suite in published.suites)]
    head += ["measured", "physics", "protocol against this run"]
    lines = []
    for arm in report.arms:
        found = {run.run.suite: run.summary.total for run in report.runs if run.arm == arm}
        rates = [text.percent(found[suite].rate) if suite in found else text.NONE for suite in published.suites]
        lines.append(bold([cell(arm), *rates, "here", cell(text.physics_here(report, arm)), ""], 2 + len(rates)))
    for row in published.rows:
        rates = [text.published(row.results.get(suite)) for suite in published.suites]
        lines.append(
            [cell(row.model), *rates, KINDS[row.kind], cell(row.physics or NOT_STATED), cell(row.compatibility)]
        )
    sources = dict.fromkeys(f"{row.model}: {text.sources(row)}" for row in published.rows)
    warned = f"> {cell(published.note)}\n\n" if published.note else ""
    return warned + table(head, lines) + "\n\nSources. " + " · ".join(cell(source) for source in sources)


def _published_chains(report: Report, chains: PublishedChains) -> str:
    """Runs of a suite of chains first, then what others report, the longest average first."""
    (suite,) = (suite for suite in report.suites if suite.suite == chains.suite)
    head = [f"{cell(suite.title)}: model", *text.CHAIN_HEAD, "measured", "protocol against this run"]
    lines = [bold([cell(arm.arm), *text.own_chain_cells(arm.summary), "here", ""], len(head) - 2) for arm in suite.arms]
    lines += [
        [cell(row.model), *text.chain_cells(row), KINDS[row.kind], cell(row.compatibility)] for row in chains.rows
    ]
    sources = dict.fromkeys(f"{row.model}: {row.source}" for row in chains.rows)
    return table(head, lines) + "\n\nSources. " + " · ".join(cell(source) for source in sources)


def _errors(report: Report) -> Iterator[str]:
    lines = []
    for arm in report.runs:
        for result in arm.summary.errors:
            message = result.error if len(result.error) <= _MAX_MESSAGE else result.error[:_MAX_MESSAGE] + "…"
            name = [cell(arm.arm)] if len(report.arms) > 1 else []
            lines.append(
                [*name, cell(result.episode.key), cell(result.error_kind), str(result.attempts), cell(message)]
            )
    if lines:
        yield "## Errors"
        yield table(
            [*(["arm"] if len(report.arms) > 1 else []), "episode", "kind", "attempts", "message"], lines, left=9
        )
