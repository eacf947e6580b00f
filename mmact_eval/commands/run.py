"""`mmact-eval run`: evaluate a policy on a suite."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmact_eval.commands.common.options import (
    pick_options,
    report_formats,
    request_from,
    run_options,
    stopped_safely,
    written_reports,
)
from mmact_eval.errors import UsageError
from mmact_eval.wording import counted

if TYPE_CHECKING:
    from mmact_eval.engine.options import ReplicaReport
    from mmact_eval.evaluation import Results
    from mmact_eval.runs.request import RunOutcome, RunRequest


def _latency(ctx: click.Context, parameter: click.Parameter, value: str | None) -> float | str | None:
    """Seconds, or ``measured``."""
    if value is None or value == "measured":
        return value
    found: float = click.FloatRange(min=0)(value, parameter, ctx)
    return found


@click.command(
    "run",
    epilog="""\b
Examples:
  mmact-eval run --suite libero-object --policy expert --episodes 10 --video all
  mmact-eval run --suite libero-long --tasks 0,3-5 --policy my_policy.py:make --policy-args checkpoint=ckpt/ --workers 4
  mmact-eval run --suite libero-goal --policy random --set protocol.max_steps=50 --limit 4
  mmact-eval run --suite libero-goal --policy mmact --format html,csv
  mmact-eval run --suite libero-object --policy mmact --realtime 20 --latency 0.12
  mmact-eval run --suite libero-long --policy my_policy.py:make --workers 16 --policy-replicas auto
The same command resumes where it stopped. Exit code: 0 done, 1 episodes ended in errors, videos are
missing or the run stopped early, 2 something asked for does not exist or does not fit, 75 stopped by SIGUSR1 or
SIGUSR2, as batch systems send before they take a place away.""",
)
@run_options
@pick_options("plan_reference")
@click.option("--out", type=click.Path(path_type=Path), help="Run folder.  [default: runs/SUITE/POLICY-seedN]")
@click.option("--realtime", type=click.FloatRange(min=0, min_open=True), metavar="HZ",
              help="The simulator does not wait for answers; so many control steps pass in a second.")  # fmt: skip
@click.option("--latency", metavar="SECONDS", callback=_latency,
              help="With --realtime: how long an answer takes, or measured: as long as it does here, which nobody can "
                   "reproduce.  [default: measured]")  # fmt: skip
@click.option("--video", type=click.Choice(["none", "failures", "all"]), default="none", show_default=True,
              help="Which episodes to keep a video of.")  # fmt: skip
@click.option("--format", "formats", multiple=True, metavar="NAME", default=("csv", "markdown"), show_default=True,
              help="Reports to write into the run folder (see `list reports`), several with commas or repeated; none "
                   "for no report. `mmact-eval report` makes more at any time.")  # fmt: skip
def command(
    out: Path | None,
    video: Any,
    plan_reference: str | None,
    formats: tuple[str, ...],
    realtime: float | None,
    latency: float | str | None,
    **given: Any,
) -> int:
    """Evaluate a policy on a suite."""
    from mmact_eval.evaluation import Results
    from mmact_eval.runs.runner import execute

    if latency is not None and realtime is None:
        raise UsageError("--latency is for --realtime HZ: without it the simulator waits for answers.")
    with stopped_safely():
        wanted = report_formats(formats)
        request = request_from(given, out=out, video=video, plan_reference=plan_reference)
        if realtime is not None:
            request = _in_real_time(request, realtime, "measured" if latency is None else latency)
        return _tell(Results.of(execute(request)), wanted)


def _in_real_time(request: RunRequest, hz: float, latency: float | str) -> RunRequest:
    """The run, of a policy for which the world does not wait."""
    from mmact_eval.runs.request import Extension
    from mmact_eval.transforms import Transform, transformed

    asked = {"realtime": {"hz": hz, "latency": latency}}
    try:
        transform = Transform.model_validate(asked)
    except ValueError:
        raise UsageError(f"--realtime {hz:g} --latency {latency}: give a number of Hz, and one of seconds.") from None
    wrap = functools.partial(transformed, transforms=(transform,), protocol=request.suite.protocol)
    return replace(request, extension=Extension(wrap=wrap, asked=asked))


def _tell(results: Results, formats: Sequence[str]) -> int:
    """Write reports, print the table and where things are; the exit code says whether every episode has a result."""
    outcome = results.outcome
    assert outcome is not None
    with written_reports(results.as_report, outcome.folder, formats):
        _show(results, outcome)
    errors = [result for result in outcome.results if result.outcome == "error"]
    if errors:
        click.echo(
            f"{counted(len(errors), 'episode ended in an error and counts', 'episodes ended in errors and count')} "
            "neither as success nor as failure; see the report and "
            f"{outcome.folder}/logs. The same command tries again.",
            err=True,
        )
    return 1 if errors or outcome.videos_missing else 0


def _told(number: int, replica: ReplicaReport) -> str:
    """What a replica of the policy did, in a line."""
    gpu = f", of GPUs {replica.peak_gpu_memory_mib / 1024:.2f} GiB" if replica.peak_gpu_memory_mib else ""
    restarts = f", restarted {counted(replica.restarts, 'time')}" if replica.restarts else ""
    asked = f"{counted(replica.queries, 'query', 'queries')} in {counted(replica.batches, 'batch', 'batches')}"
    return (
        f"Replica {number} of the policy: {asked}, busy {100 * replica.busy_share:.0f} % of the time, peak memory "
        f"{replica.peak_memory_mib / 1024:.2f} GiB{gpu}{restarts}"
    )


def _show(results: Results, outcome: RunOutcome) -> None:
    """Print the table, and what is to be known beside it."""
    click.echo(f"\n{results}\n")
    for remark in outcome.remarks:
        click.echo(remark)
    shard = outcome.manifest.shard
    if shard is not None:
        parts = outcome.folder.parent
        click.echo(f"This is {shard.in_words}; once all are done: mmact-eval merge {parts} --out {parts}-whole")
    memory = outcome.engine.peak_memory_mib
    if memory:
        each = ", ".join(f"{mib / 1024:.2f}" for _, mib in sorted(memory.items()))
        click.echo(f"Peak memory of the workers: {each} GiB")
    for number, replica in sorted(outcome.engine.replicas.items()):
        click.echo(_told(number, replica))
    for warning in outcome.warnings:
        click.echo(f"Warning: {warning}.", err=True)
    missing = len(outcome.planned) - len(outcome.results)
    if missing:
        click.echo(f"{missing} of {counted(len(outcome.planned), 'episode is', 'episodes are')} still to be done.")
