"""`mmact-eval report`: tables from run folders."""

from __future__ import annotations

import os
from pathlib import Path

import click

from mmact_eval.errors import RunFolderError


@click.command(
    "report",
    epilog="""\b
Examples:
  mmact-eval report runs/libero-object/expert-seed0
  mmact-eval report runs/libero-object/* --format csv --out tables/""",
)
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--format", "formats", multiple=True, default=("csv", "markdown"), show_default=True,
              help="Report format (see `list reports`); may be repeated.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), help="Where to write.  [default: each run's own folder]")
def command(folders: tuple[Path, ...], formats: tuple[str, ...], out: Path | None) -> int:
    """Make tables from run folders: success rates with exact 95 % intervals, errors apart, latency, versions."""
    from mmact_eval import reporting
    from mmact_eval.terminal_table import text_table

    shared = Path(os.path.commonpath([folder.resolve() for folder in folders]))
    failed = 0
    for folder in folders:
        try:
            summary = reporting.summarize_folder(folder)
        except RunFolderError as error:
            if len(folders) == 1:
                raise
            click.echo(f"Skipped: {error}", err=True)
            failed += 1
            continue
        if out is None or len(folders) == 1:
            target = out or folder
        else:
            target = out / "-".join(folder.resolve().relative_to(shared).parts)
        files = reporting.write_reports(summary, target, formats)
        click.echo(text_table(summary))
        click.echo("Wrote " + ", ".join(str(file) for file in files))
    return 1 if failed == len(folders) else 0
