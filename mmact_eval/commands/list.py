"""`mmact-eval list`: what there is, and what stops it."""

from __future__ import annotations

from collections.abc import Sequence

import click

_SHOWN = 5
"""Names in a cell of a table."""


@click.group(
    "list",
    epilog="""\b
Examples:
  mmact-eval list suites
  mmact-eval list tasks --suite libero-goal
  mmact-eval list envs --suite libero-goal
  mmact-eval list policies""",
)
def command() -> None:
    """List suites, studies, tasks, policies, environments, engines and reports."""


def _table(rows: Sequence[tuple[str, ...]], header: tuple[str, ...]) -> None:
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        click.echo(click.style(line, bold=True) if row is header else line)


@command.command("suites")
def suites() -> None:
    """The suites of the package."""
    from mmact_eval.config.suite_file import list_suites

    rows = [
        (
            suite.name,
            suite.env,
            str(suite.protocol.max_steps),
            str(suite.protocol.episodes),
            ", ".join(suite.aliases),
            suite.title,
        )
        for suite in list_suites()
    ]
    _table(rows, ("suite", "environment", "max steps", "episodes per task", "aliases", "title"))


@command.command("tasks")
@click.option("--suite", "suite_name", required=True, help="Name of a suite or a YAML file.")
def tasks(suite_name: str) -> None:
    """The tasks of a suite, with their numbers."""
    from mmact_eval import registry
    from mmact_eval.config.suite_file import load_suite
    from mmact_eval.runs.episodes import suite_tasks

    suite = load_suite(suite_name)
    found = suite_tasks(registry.env_plugin(suite.env), suite)
    rows = [(str(i), task.name, str(task.init_states), task.instruction) for i, task in enumerate(found)]
    _table(rows, ("no.", "task", "init states", "instruction"))


@command.command("studies")
def studies() -> None:
    """The studies of the package, for `ablate`."""
    from mmact_eval.studies.study_file import list_studies

    rows = [
        (
            file.study.name,
            file.study.base.suite,
            file.study.base.policy,
            _in_short([arm.name + ("*" if arm.name == file.baseline else "") for arm in file.arms]),
            file.study.title,
        )
        for file in list_studies()
    ]
    _table(rows, ("study", "suite", "policy", "arms (* baseline)", "title"))


def _in_short(names: list[str]) -> str:
    """All of a few names, of many the first and how many there are: a line fits the screen."""
    return ", ".join(names) if len(names) <= _SHOWN else f"{', '.join(names[: _SHOWN - 1])}, … ({len(names)})"


def _plugins(group: str, what: str) -> None:
    from mmact_eval import registry

    rows = [(entry.name, entry.status, entry.value, entry.distribution) for entry in registry.listing(group)]
    _table(rows, (what, "status", "entry point", "package"))


@command.command("policies")
def policies() -> None:
    """Registered policies; module:attr and file.py:attr work too."""
    _plugins("mmact_eval.policies", "policy")


@command.command(
    "envs",
    epilog="""\b
Examples:
  mmact-eval list envs
  mmact-eval list envs --suite libero-goal
  mmact-eval list envs --suite robotwin-smoke --set env_args.action=ee""",
)
@click.option("--suite", "suite_name", help="Show what this suite's environment offers: a name or a YAML file.")
@click.option("--set", "overrides", multiple=True, metavar="A.B=C", help="Change a field of the suite.")
def envs(suite_name: str | None, overrides: tuple[str, ...]) -> None:
    """Registered environments, or what one offers: cameras, state, actions."""
    from mmact_eval import registry
    from mmact_eval.commands.common.offers import offers_of
    from mmact_eval.config.suite_file import load_suite

    if suite_name is None:
        _plugins("mmact_eval.envs", "environment")
        click.echo("\nWhat one offers to policies: mmact-eval list envs --suite SUITE", err=True)
        return
    suite = load_suite(suite_name, overrides)
    _table(list(offers_of(registry.env_plugin(suite.env).spec(suite))), (suite.name, "", ""))


@command.command("engines")
def engines() -> None:
    """Registered engines, for `--engine`."""
    _plugins("mmact_eval.engines", "engine")


@command.command("reports")
def reports() -> None:
    """Registered report formats."""
    _plugins("mmact_eval.reports", "report")
