"""`mmact-eval robotwin …`: what only RoboTwin has."""

from __future__ import annotations

from pathlib import Path

import click


@click.group("robotwin")
def command() -> None:
    """Find the seeds that RoboTwin's expert solves."""


@command.command(
    "seeds",
    epilog="""\b
Examples:
  mmact-eval robotwin seeds --suite robotwin-smoke --episodes 5 --workers 2 --out seeds.json
  mmact-eval run --suite robotwin-smoke --policy robotwin-oracle --set env_args.seeds=seeds.json""",
)
@click.option("--suite", "suite_name", required=True, help="Name of a suite or a YAML file.")
@click.option("--tasks", help="Task numbers, ranges, names or patterns.  [default: all]")
@click.option("--episodes", type=click.IntRange(min=1), help="Accepted seeds per task.  [default: as the suite says]")
@click.option("--seed", type=int, default=0, show_default=True, help="The run's seed: seeds start at 100000·(1+seed).")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Simulator processes.")
@click.option("--set", "overrides", multiple=True, metavar="A.B=C", help="Change a field of the suite.")
@click.option("--out", type=click.Path(path_type=Path), help="Write a copy here.  [default: only kept in the cache]")
def seeds_command(
    suite_name: str,
    tasks: str | None,
    episodes: int | None,
    seed: int,
    workers: int,
    overrides: tuple[str, ...],
    out: Path | None,
) -> int:
    """Find the seeds that the expert solves and write them down with their instructions."""
    from mmact_eval import registry
    from mmact_eval.config.suite_file import load_suite
    from mmact_eval.envs.robotwin import plugin
    from mmact_eval.envs.robotwin.args import RobotwinArgs
    from mmact_eval.envs.robotwin.seeds import manifest as seeds
    from mmact_eval.envs.robotwin.seeds import search
    from mmact_eval.errors import UsageError
    from mmact_eval.runs.episodes import plan_episodes, select_tasks, suite_tasks

    suite = load_suite(suite_name, overrides)
    if suite.env != "robotwin":
        raise UsageError(f"suite {suite.name} is of {suite.env}; seed manifests are RoboTwin's.")
    registry.env_plugin(suite.env)  # says which packages are missing
    chosen = select_tasks(suite_tasks(plugin, suite), tasks)
    number = episodes or suite.protocol.episodes
    planned = plan_episodes(suite, chosen, number, seed)
    wanted = search.wanted_columns([(e.task, e.seed, e.init_state) for e in planned])
    manifest = plugin.find_seeds(suite, wanted, workers, lambda text: click.echo(text, err=True))
    complete = True
    for (task, run_seed), count in wanted.items():
        column = manifest.column(task, run_seed)
        complete &= len(column.accepted) >= count
        click.echo(f"{task}: {len(column.accepted)} accepted of {len(column.verdicts)} tried (run seed {run_seed})")
    if out is not None:
        manifest.write(out)
        click.echo(f"Wrote {out}")
    else:
        click.echo(f"Kept in {seeds.manifest_path(RobotwinArgs.parse(suite.env_args))}")
    return 0 if complete else 1
