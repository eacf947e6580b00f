"""`mmact-eval record`: demonstrations of a policy as a LeRobot data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmact_eval.commands.common.options import parse_assignments, request_from, run_options, stopped_safely
from mmact_eval.errors import UsageError
from mmact_eval.wording import counted

if TYPE_CHECKING:
    from mmact_eval.recording.record import RecordOutcome

_LEAD_IN_STEPS = 80


@click.command(
    "record",
    epilog="""\b
Examples:
  mmact-eval record --suite libero-object --policy expert --episodes 10 --workers 2 --out data/object
  mmact-eval record --suite libero-object --policy expert --episodes 50 --noise 0.1 --random-start 20 --out data/noisy
  mmact-eval record --suite libero-object --policy my_policy.py:make --workers 8 --policy-replicas 2 --out data/own
  mmact-eval run --suite libero-object --policy replay --policy-args data=data/object
The successful episodes become demonstrations. The same command resumes where it stopped; with more --episodes or other
--tasks it adds to the data set. Exit code as of `run`; 1 also if nothing succeeded.""",
)
@run_options
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the data set.")
@click.option("--images", type=click.Choice(["video", "png"]), default="video", show_default=True,
              help="H.264 videos, or lossless images in the data files.")  # fmt: skip
@click.option("--noise", type=float, default=0.0, show_default=True, metavar="SIGMA",
              help="Gaussian noise on executed actions but the gripper, in the action's unit.")  # fmt: skip
@click.option("--random-start", type=click.IntRange(min=0), default=0, show_default=True, metavar="STEPS",
              help="Steps of smooth random motion before the policy takes over.")  # fmt: skip
@click.option("--lead-in", metavar="POLICY",
              help="Another policy that acts first; --policy takes over and is recorded from there.")  # fmt: skip
@click.option("--lead-in-args", multiple=True, metavar="K=V", help="Argument of the lead-in; may be repeated.")
@click.option("--lead-in-steps", type=click.IntRange(min=1), metavar="STEPS",
              help="How long the lead-in acts at most; drawn anew for each episode.  "
                   f"[default: {_LEAD_IN_STEPS}]")  # fmt: skip
@click.option("--every", type=click.IntRange(min=1), default=1, show_default=True, metavar="FRAMES",
              help="Draw every k-th frame only; the frames between repeat its pictures.")  # fmt: skip
def command(
    out: Path, images: Any, noise: float, random_start: int, every: int, lead_in: str | None,
    lead_in_args: tuple[str, ...], lead_in_steps: int | None, **given: Any,
) -> int:  # fmt: skip
    """Record a policy's successes as a LeRobot data set."""
    from mmact_eval.recording.lead_in import LeadIn
    from mmact_eval.recording.record import RecordOptions, record

    with stopped_safely():
        args = parse_assignments(lead_in_args, "--lead-in-args")
        if (args or lead_in_steps) and not lead_in:
            raise UsageError("--lead-in-args and --lead-in-steps are for a --lead-in, and there is none.")
        first = LeadIn(lead_in, lead_in_steps or _LEAD_IN_STEPS, args) if lead_in else None
        return _tell(record(request_from(given), out, RecordOptions(images, noise, random_start, every, first)))


def _tell(outcome: RecordOutcome) -> int:
    """Print the table and what became of it; the exit code says whether there is something to learn from."""
    from mmact_eval.results import reporting
    from mmact_eval.results.terminal_table import text_table

    run = outcome.run
    click.echo(text_table(reporting.summarize_folder(run.folder)))
    for remark in run.remarks:
        click.echo(remark)
    for warning in run.warnings:
        click.echo(f"Warning: {warning}.", err=True)
    missing = len(run.planned) - len(run.results)
    if missing:
        click.echo(f"{missing} of {counted(len(run.planned), 'episode is', 'episodes are')} still to be done.")
    errors = sum(result.outcome == "error" for result in run.results)
    if errors:
        ended = counted(errors, "episode ended in an error", "episodes ended in errors")
        click.echo(f"{ended}; see {run.folder}/logs. The same command tries again.")
    if not outcome.episodes:
        click.echo("No episode succeeded, so there is no data set.", err=True)
        return 1
    size = outcome.bytes / outcome.episodes
    shown = f"{size / 1e6:.2f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"
    made = f"{counted(outcome.episodes, 'demonstration')}, {counted(outcome.frames, 'frame')}"
    click.echo(f"{made}, {shown} a demonstration: {outcome.folder}")
    if outcome.added:
        rate = outcome.added / outcome.seconds * 60
        click.echo(f"{outcome.added} of them recorded now, {rate:.1f} a minute")
    click.echo(f'LeRobotDataset("{outcome.folder.name}", root="{outcome.folder}")')
    return 1 if errors else 0
