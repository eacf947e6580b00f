"""`mmact-eval compare`: is a run at least as good as another? The answer is an exit code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from mmact_eval.errors import MmactEvalError, UsageError
from mmact_eval.statistics.level import ALPHA, POWER, RATE_TEST, interval_name, percent

if TYPE_CHECKING:
    from mmact_eval.results.metrics.comparing import Differences
    from mmact_eval.results.pairing import Pairing
    from mmact_eval.results.report_data import SuiteReport
    from mmact_eval.results.verdict import Compared

USAGE_EXIT_CODE = 4


class _CannotCompare(MmactEvalError):
    """Wrong arguments or unreadable folders; 2 and 3 mean something else here."""

    exit_code = USAGE_EXIT_CODE


class _Compare(click.Command):
    """Gives wrong arguments an exit code of their own, as 2 says that there are too few episodes."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        try:
            return super().make_context(*args, **kwargs)
        except click.UsageError as error:
            error.exit_code = USAGE_EXIT_CODE  # type: ignore[misc]
            raise


@click.command(
    "compare",
    cls=_Compare,
    epilog="""\b
Examples:
  mmact-eval compare runs/main runs/branch
  mmact-eval compare old=runs/a new=runs/b --margin 2 --allow versions
\b
Exit code:
  0  B is better, or a loss of --margin points is excluded, or all rollouts are identical
  1  regression: B solves significantly fewer (exact McNemar on paired episodes), however little
  2  underpowered: a loss of --margin points can be neither shown nor excluded
  3  not comparable: the protocol differs (the fields are named), or no episode is shared
  4  wrong arguments, or a folder that is no run""",
)
@click.argument("run_a", metavar="[NAME=]RUN_A")
@click.argument("run_b", metavar="[NAME=]RUN_B")
@click.option("--margin", type=click.FloatRange(0, 100, min_open=True), default=5.0, show_default=True,
              help="Loss in percentage points that must be excluded.")  # fmt: skip
@click.option("--alpha", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=ALPHA, show_default=True,
              help="Level of the test; the interval has 1 - alpha.")  # fmt: skip
@click.option("--allow", multiple=True, metavar="FIELD",
              help="A protocol field that may differ: protocol.replan, versions, scene; may be repeated.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(run_a: str, run_b: str, margin: float, alpha: float, allow: tuple[str, ...], as_json: bool) -> int:
    """Compare run B with run A on the episodes that both completed.

    Both runs start each episode in the same scene, so only the episodes that exactly one of them solves are
    informative. With errors there are two verdicts, errors left out and errors as failures, and
    the worse one counts.
    """
    from mmact_eval.results.arms.names import split_name
    from mmact_eval.results.verdict import OfTwoSuites, compare_runs

    try:
        names, folders = zip(*(split_name(text) for text in (run_a, run_b)), strict=True)
        if names[0] and names[0] == names[1]:
            raise UsageError(f'both runs are called "{names[0]}": give them different names.')
        compared = compare_runs(folders, names, allow, margin / 100.0, alpha)
    except OfTwoSuites as error:
        click.echo(f"Not comparable: suite: {error.first or '(none)'} → {error.second or '(none)'}", err=True)
        return 3
    except MmactEvalError as error:
        raise _CannotCompare(str(error)) from error
    if as_json:
        click.echo(json.dumps(_record(compared, margin, alpha), indent=2))
    else:
        click.echo(_text(compared, alpha))
    return compared.verdict.exit_code


def _text(compared: Compared, alpha: float) -> str:
    suite, pairing, verdict = compared.suite, compared.pairing, compared.verdict
    lines = ["", f"{suite.title}: {pairing.first} (A) and {pairing.second} (B)"]
    lines += dict.fromkeys(f"Not the real thing: {text}" for arm in suite.arms for text in arm.summary.not_real)
    lines += [f"Note: {arm.arm}: {text}" for arm in suite.arms for text in arm.summary.warnings]
    if not pairing.blocked:
        low, high = pairing.interval_at(1.0 - alpha)
        lines += [*(f"Note: {text}" for text in suite.notes), "", *_table(pairing)]
        lines.append(
            f"difference B - A {100 * pairing.counts.difference:+.1f} points, {interval_name(1.0 - alpha)} "
            f"{100 * low:+.1f} to {100 * high:+.1f}; {RATE_TEST} p = {pairing.p_value:.3g}"
        )
        detectable = pairing.detectable_at(alpha)
        if detectable == detectable:
            seen = f"smallest difference that would be seen (power {percent(POWER)})"
            lines.append(f"{seen}: {100 * detectable:.1f} points")
        lines += _others(suite, compared.others, alpha)
    lines += ["", verdict.kind.upper(), *(f"  {reason}" for reason in verdict.reasons)]
    lines += [f"  {advice}" for advice in _advice(pairing)]
    return "\n".join(lines)


def _others(suite: SuiteReport, found: Differences, alpha: float) -> list[str]:
    """A line for each other metric that is compared."""
    from mmact_eval.results.metrics import words

    lines = [
        f"{metric.label}: B - A {words.difference(metric, one)}, {interval_name(1.0 - alpha)} "
        f"{words.difference_interval(metric, one)}; {metric.kind.test} p = {one.p_value:.3g}, {one.pairs} pairs "
        f"(A {words.number(metric, one.first)}, B {words.number(metric, one.second)})"
        for metric in suite.further
        if (one := found.get(metric.key)) is not None
    ]
    return [line.replace("−", "-") for line in lines]  # as in the lines above, which scripts read


def _advice(pairing: Pairing) -> list[str]:
    """What can be done about a pair that is not comparable."""
    from mmact_eval.results.comparable import EPISODES, allowing

    if any(reason.field == EPISODES for reason in pairing.blocked):
        return [
            "Without common episodes no option helps. Parts of one run: mmact-eval report NAME=A NAME=B --out FOLDER."
        ]
    options = allowing(pairing.blocked)
    return [f"{options} compares them all the same."] if options else []


def _table(pairing: Pairing) -> list[str]:
    rows: list[tuple[str, ...]] = [("task", "pairs", "A", "B", "gained", "lost")]
    for name, counts in [*pairing.tasks.items(), ("total", pairing.counts)]:
        rates = (f"{100 * (counts.both + only) / counts.n:.1f} %" for only in (counts.only_a, counts.only_b))
        rows.append((name, str(counts.n), *rates, str(counts.only_b), str(counts.only_a)))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    rule = "─" * len(lines[0])
    return [lines[0], rule, *lines[1:-1], rule, lines[-1], ""]


def _record(compared: Compared, margin: float, alpha: float) -> dict[str, Any]:
    from mmact_eval.results.summary import without_nan

    suite, pairing, verdict = compared.suite, compared.pairing, compared.verdict
    comparable = not pairing.blocked
    return {
        "suite": suite.suite,
        "a": pairing.first,
        "b": pairing.second,
        "verdict": verdict.kind,
        "exit_code": verdict.exit_code,
        "reasons": list(verdict.reasons),
        "margin": margin / 100.0,
        "alpha": alpha,
        "pairs": pairing.counts.n,
        "both": pairing.counts.both,
        "only_a": pairing.counts.only_a,
        "only_b": pairing.counts.only_b,
        "neither": pairing.counts.neither,
        "left_out_errors": pairing.left_out,
        "missing_a": pairing.missing_first,
        "missing_b": pairing.missing_second,
        "identical": pairing.identical,
        "difference": pairing.counts.difference if comparable else None,
        "confidence": 1.0 - alpha,
        "interval": list(pairing.interval_at(1.0 - alpha)) if comparable else None,
        "interval_95": list(pairing.interval_at(0.95)) if comparable else None,
        "p_value": pairing.p_value if comparable else None,
        "measures": without_nan({key: found.record() for key, found in compared.others.items()}),
        "notes": list(suite.notes),
        "not_real": sorted({text for arm in suite.arms for text in arm.summary.not_real}),
    }
