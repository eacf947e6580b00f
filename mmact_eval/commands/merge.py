"""`mmact-eval merge`: parts of a run, or several runs of the same, as one run."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mmact_eval.errors import UsageError
from mmact_eval.wording import counted

if TYPE_CHECKING:
    from mmact_eval.derived.merge import Merged


@click.command(
    "merge",
    epilog="""\b
Examples:
  mmact-eval merge runs/libero-object/expert-seed0 --out runs/libero-object/expert-whole
  mmact-eval merge runs/a/shard-*-of-4 --out runs/whole
  mmact-eval merge machine-a/first-half machine-b/second-half --out runs/both
  mmact-eval merge runs/a --out runs/whole --replace     (its parts were given more episodes)
The runs must have been made of the same (their fingerprints are equal); equal results of an episode count once,
different ones are refused. RUN… stay as they are. Studies are merged arm by arm. Exit code: 0 merged, 2 refused.""",
)
@click.argument("runs", metavar="RUN…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="A folder that is not there yet, or is empty."
)
@click.option("--allow-missing", is_flag=True,
              help="Merge although episodes that were asked for are missing; the run's command then does "
                   "them.")  # fmt: skip
@click.option("--allow-renderer", is_flag=True,
              help="Merge although images were drawn by several GPUs or libraries; tables say so.")  # fmt: skip
@click.option("--replace", is_flag=True,
              help="Put the new one in the place of what an earlier merge made of fewer episodes.")  # fmt: skip
def command(runs: Sequence[Path], out: Path, allow_missing: bool, allow_renderer: bool, replace: bool) -> int:
    """Put RUN… together as one run, whose reports are those of an undivided one.

    A folder with parts in it (shard-0-of-3 and so on) stands for them.
    """
    from mmact_eval.derived.merge import merge
    from mmact_eval.derived.study_merge import are_studies, merge_studies

    if are_studies(runs):
        if replace:
            raise UsageError(f"--replace is for runs. Delete {out} and merge the studies again; all of it is in them.")
        for arm, merged in merge_studies(runs, out, allow_missing, allow_renderer).items():
            click.echo(f"{arm}: {_told(merged)}")
            _warn(merged)
        click.echo(f"Merged into {out}; the study's command with --out {shlex.quote(str(out))} makes its report.")
        return 0
    merged = merge(runs, out, allow_missing, allow_renderer, replace)
    _warn(merged)
    click.echo(f"Merged into {out}: {_told(merged)}.")
    if not merged.missing:
        click.echo(f"Tables and reports: mmact-eval report {shlex.quote(str(out))} --format markdown,html")
    else:
        for then in merged.commands:
            click.echo(f"To do the missing ones: {shlex.join(with_out(then, out))}")
    return 0


def _told(merged: Merged) -> str:
    """``30 episodes of 3 runs, 2 of them done twice with equal results``."""
    text = f"{counted(merged.episodes, 'episode')} of {counted(merged.runs, 'run')}"
    return text + (f", {merged.doubles} of them done more than once with equal results" if merged.doubles else "")


def _warn(merged: Merged) -> None:
    for note in merged.notes:
        click.echo(f"Note: {note}.", err=True)
    if merged.missing:
        from mmact_eval.derived.together import listed

        click.echo(f"Warning: missing: {listed(merged.missing)}.", err=True)


def with_out(command: Sequence[str], out: Path) -> list[str]:
    """The command with another ``--out``."""
    words = list(command)
    kept = [
        word
        for number, word in enumerate(words)
        if not (word == "--out" or word.startswith("--out=") or (number and words[number - 1] == "--out"))
    ]
    return [*kept, "--out", str(out)]
