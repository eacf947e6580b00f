"""`mmact-eval report`: reports from run folders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from mmact_eval.commands.common.options import published_model
from mmact_eval.errors import UsageError


@click.command(
    "report",
    epilog="""\b
Examples:
  mmact-eval report runs/libero-object/expert-seed0 --format html
  mmact-eval report base=runs/a replan4=runs/b --out tables --format html --format csv
  mmact-eval report mine=runs/first-half mine=runs/second-half --out tables
  mmact-eval report runs/libero-*/mine-seed0 --out tables --format latex --against published
Runs of different suites with the same arm name become one row; runs of one suite are compared episode by episode, and
those that are given the same name count as one run, if they were made alike.""",
)
@click.argument("runs", nargs=-1, required=True, metavar="[NAME=]RUN...")
@click.option("--format", "formats", multiple=True, metavar="NAME", default=("csv", "markdown"), show_default=True,
              help="Report format (see `list reports`); several with commas or repeated.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), help="Where to write.  [default: the run's own folder]")
@click.option("--allow", multiple=True, metavar="FIELD",
              help="A protocol field in which compared arms may differ: protocol.replan, versions, …")  # fmt: skip
@click.option("--against", metavar="published[:MODEL]",
              help="Set published results beside the runs: all, or models whose name contains MODEL.")  # fmt: skip
@click.option("--baseline", metavar="ARM", help="The arm others are compared with.  [default: the first]")
def command(
    runs: tuple[str, ...],
    formats: tuple[str, ...],
    out: Path | None,
    allow: tuple[str, ...],
    against: str | None,
    baseline: str | None,
) -> int:
    """Make reports from any number of run folders.

    Success rates with exact intervals, errors apart, arms compared on the same episodes, latency, versions.
    """
    from mmact_eval.results import reporting
    from mmact_eval.results.arms.names import split_name
    from mmact_eval.results.published.beside import table_beside
    from mmact_eval.results.terminal_table import text_pairings, text_table

    names, folders = zip(*(split_name(text) for text in runs), strict=True)
    if out is None and len(folders) > 1:
        raise UsageError("a report of several runs needs a folder of its own: --out FOLDER.")
    report = reporting.read_report(folders, names, allow, baseline)
    model = published_model(against)
    if model is not None:
        report = replace(report, published=table_beside(report.suites, model or None))
    wanted = [name for text in formats for name in text.split(",") if name]
    files = reporting.write_reports(report, out or folders[0], wanted)
    for arm in report.runs:
        click.echo(text_table(arm.summary, arm.arm if len(report.runs) > 1 else ""))
    for suite in report.suites:
        click.echo(text_pairings(suite), nl=bool(suite.pairings))
    for note in (*report.warnings, *(note for suite in report.suites for note in suite.notes)):
        click.echo(f"Note: {note}", err=True)
    click.echo("Wrote " + ", ".join(str(file) for file in files))
    return 0
