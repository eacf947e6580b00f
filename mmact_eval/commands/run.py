"""`mmact-eval run`: evaluate a policy on a suite."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
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


_FEW_REPLICAS = 8
"""No more are told of one by one."""


def _told_of(replicas: Mapping[int, ReplicaReport]) -> Iterator[str]:
    """What the replicas of the policy did, a line for each, or one for all if there are many; none if nothing was left
    to do.
    """
    if not any(one.queries or one.restarts for one in replicas.values()):
        return
    if len(replicas) > _FEW_REPLICAS:
        yield _told_of_many(list(replicas.values()))
        return
    for number, replica in sorted(replicas.items()):
        yield (
            f"Replica {number} of the policy: {_asked(replica.queries, replica.batches)}, busy "
            f"{100 * replica.busy_share:.0f} % of the time, peak memory {replica.peak_memory_mib / 1024:.2f} GiB"
            f"{_gpu(replica.peak_gpu_memory_mib)}{_restarted(replica.restarts)}"
        )


def _told_of_many(replicas: Sequence[ReplicaReport]) -> str:
    asked = _asked(sum(one.queries for one in replicas), sum(one.batches for one in replicas))
    busy = [100 * one.busy_share for one in replicas]
    idle = sum(not one.queries for one in replicas)
    return (
        f"{len(replicas)} replicas of the policy: {asked}, busy {min(busy):.0f} to {max(busy):.0f} % of the time, "
        f"{sum(busy) / len(busy):.0f} % on average, peak memory of one "
        f"{max(one.peak_memory_mib for one in replicas) / 1024:.2f} GiB"
        f"{_gpu(max(one.peak_gpu_memory_mib for one in replicas))}{_restarted(sum(one.restarts for one in replicas))}"
    ) + (f"; {idle} of them answered nothing" if idle else "")


def _asked(queries: int, batches: int) -> str:
    return f"{counted(queries, 'query', 'queries')} in {counted(batches, 'batch', 'batches')}"


def _gpu(mib: float) -> str:
    return f", of GPUs {mib / 1024:.2f} GiB" if mib else ""


def _restarted(times: int) -> str:
    return f", restarted {counted(times, 'time')}" if times else ""


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
    for line in _told_of(outcome.engine.replicas):
        click.echo(line)
    for warning in outcome.warnings:
        click.echo(f"Warning: {warning}.", err=True)
    missing = len(outcome.planned) - len(outcome.results)
    if missing:
        click.echo(f"{missing} of {counted(len(outcome.planned), 'episode is', 'episodes are')} still to be done.")
