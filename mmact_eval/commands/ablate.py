"""`mmact-eval ablate`: a study, its arms on the same episodes, and their joint report."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmact_eval.commands.common.options import (
    engine_options,
    parse_assignments,
    parsed_shard,
    pick_options,
    published_model,
    report_formats,
    stopped_safely,
    written_reports,
)
from mmact_eval.errors import UsageError
from mmact_eval.wording import counted

if TYPE_CHECKING:
    from mmact_eval.results.report_data import Report
    from mmact_eval.runs.shard import Shard
    from mmact_eval.studies.execute import ArmOutcome


_ASKED = (
    "suite", "policy", "tasks", "episodes", "init_states", "seed", "overrides", "video", "plan_reference"
)  # fmt: skip
"""Options that `Asked` takes as they are."""


@click.command(
    "ablate",
    epilog="""\b
Examples:
  mmact-eval ablate --study action-bins --workers 2
  mmact-eval ablate --study latency --suite libero-goal --tasks 0-4 --episodes 20 --arms late-0,late-4
  mmact-eval ablate --study ./my-study.yaml --policy my_policy.py:make --until-decided
  mmact-eval ablate --study action-bins --policy my_policy.py:make --workers 8 --policy-replicas auto
The same command resumes where it stopped. Exit code: 0 done, 1 an arm failed or has episodes that ended in errors
or videos that are missing, 2 something asked for does not exist or does not fit.""",
)
@click.option("--study", "study", required=True, help="Name of a study (see `list studies`) or a YAML file.")
@click.option("--suite", help="Another suite than the study's.")
@click.option("--policy", help="Evaluate another policy than the study's, without the study's --policy-args.")
@click.option("--seed", type=click.IntRange(min=0), help="The run's seed.  [default: as the study says]")
@click.option("--arms", metavar="A,B", help="Only these arms; the report shows all that have results.  [default: all]")
@click.option("--until-decided", is_flag=True,
              help="Stop an arm once it is clearly better or worse than the baseline.")  # fmt: skip
@click.option("--together", type=click.Choice(["same-policy", "all", "none"]), default="same-policy", show_default=True,
              help="Which arms share the workers: those of one policy with the same arguments (one copy of it in "
                   "memory), all (every arm's policy in memory at once), or none (arm by arm).")  # fmt: skip
@pick_options("config", "tasks", "episodes", "init_states", "policy_args", "engine", "ray_address", "worker_cpus",
              "workers", "max_batch", "policy_replicas", "policy_gpus", "shard", "overrides", "retries",
              "policy_timeout", "cached_envs", "allow_renderer", "plan_reference")  # fmt: skip
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder.  [default: runs/studies/STUDY/SUITE-POLICY-seedN]"
)
@click.option("--video", type=click.Choice(["none", "failures", "all"]), default="none", show_default=True,
              help="Which episodes to keep a video of.")  # fmt: skip
@click.option("--format", "formats", metavar="NAME,…", default="csv,markdown,html", show_default=True,
              help="Formats of the joint report (see `list reports`); none for no report.")  # fmt: skip
@click.option("--against", metavar="published[:MODEL]",
              help="Set published results beside the arms.  [default: as the study says]")  # fmt: skip
def command(
    study: str,
    arms: str | None,
    until_decided: bool,
    together: Any,
    out: Path | None,
    formats: str,
    against: str | None,
    **given: Any,
) -> int:
    """Run a study: arms that differ in one thing, on the same episodes."""
    from mmact_eval.studies.arms import Asked, plan
    from mmact_eval.studies.execute import run_study
    from mmact_eval.studies.joint_report import study_report
    from mmact_eval.studies.study_file import load_study

    file = load_study(study)
    model = published_model(against or file.study.against)
    asked = Asked(
        policy_args=parse_assignments(given["policy_args"], "--policy-args"),
        arms=[name.strip() for name in (arms or "").split(",") if name.strip()],
        shard=parsed_shard(given["shard"]),
        options=engine_options(given),
        **{name: given[name] for name in _ASKED},
    )
    if until_decided and asked.shard is not None:
        raise UsageError("--until-decided looks at the results of all episodes, and --shard runs some of them.")
    planned = plan(file, asked, out)
    wanted = report_formats([formats])
    with stopped_safely():
        outcomes = run_study(planned, until_decided, lambda text: click.echo(text, err=True), together)
        return _tell(study_report(planned, outcomes, model), outcomes, planned.folder, wanted, asked.shard)


def _tell_tables(report: Report) -> None:
    from mmact_eval.results.terminal_table import text_pairings, text_table

    for arm in report.runs:
        click.echo(text_table(arm.summary, arm.arm))
    for suite in report.suites:
        click.echo(text_pairings(suite), nl=bool(suite.pairings))


def _tell(report: Report, outcomes: list[ArmOutcome], folder: Path, formats: list[str], shard: Shard | None) -> int:
    """Print the tables, of a part only what it is one of, and where things are; the exit code says whether all arms
    came to results."""
    from mmact_eval.results.reporting import notes_on_parts

    with written_reports(report, folder, formats):
        if shard is None:
            _tell_tables(report)
        else:
            for text in report.not_real:
                click.echo(f"Not the real thing: {text}")
        said_below = notes_on_parts(report.runs)
        for sentence in (*report.warnings, *(note for suite in report.suites for note in suite.notes)):
            if sentence not in said_below:
                click.echo(f"Note: {sentence}", err=True)
        for outcome in outcomes:
            for warning in outcome.run.warnings if outcome.run else ():
                click.echo(f"Warning: {outcome.arm.label}: {warning}.", err=True)
    if shard is not None:
        parts, whole = shlex.quote(str(folder.parent)), shlex.quote(f"{folder.parent}-whole")
        click.echo(
            f"This is part {shard.index} of {shard.count} of the study; once all are done: mmact-eval merge {parts} "
            f"--out {whole}, and the study's command with --out {whole} and without --shard compares the arms"
        )
    runs = [outcome.run for outcome in outcomes]
    errors = sum(result.outcome == "error" for run in runs if run for result in run.results)
    if errors:
        ended = counted(errors, "episode ended in an error", "episodes ended in errors")
        click.echo(f"{ended}; see the report. The same command tries again.", err=True)
    return 1 if errors or None in runs or any(run.videos_missing for run in runs if run) else 0
