"""`mmact-eval check`: does a plug-in keep what the protocols promise?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mmact_eval.commands.common.options import parse_assignments, pick_options
from mmact_eval.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from mmact_eval.conformance.report import Finding, Report

_MARKS = {
    "ok": ("ok", "green"),
    "note": ("note", "yellow"),
    "failed": ("FAILED", "red"),
    "skipped": ("skipped", "cyan"),
}


class _Kinds(click.Group):
    """Says what was meant by a kind of plug-in that there is not."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            ctx.fail(f'"{args[0]}" cannot be checked.{did_you_mean(args[0], self.commands)} Known: env, policy.')
        return super().resolve_command(ctx, args)


@click.group(
    "check",
    cls=_Kinds,
    epilog="""\b
Examples:
  mmact-eval check env libero-spatial --task 0 --set protocol.resolution=64
  mmact-eval check env ./my-suite.yaml
  mmact-eval check policy my_policy.py:make --suite libero-object
Exit code: 0 all promises kept, 1 some broken, 2 wrong input.""",
)
def command() -> None:
    """Try whether an environment or a policy keeps what the protocols promise.

    For authors of plug-ins. In their tests it is one line: see mmact_eval.conformance.
    """


@command.command(
    "env",
    epilog="""\b
Examples:
  mmact-eval check env toy
  mmact-eval check env libero-spatial --task 4 --steps 6 --set protocol.settle_steps=2
  mmact-eval check env ./my-suite.yaml --task open_drawer --task close_drawer
Exit code: 0 all promises kept, 1 some broken, 2 wrong input.""",
)
@click.argument("suite")
@click.option("--task", "tasks", multiple=True, help="A task's number or name; may be repeated.  [default: the first]")
@click.option("--episodes", type=click.IntRange(min=1), default=2, show_default=True, help="Init states to try.")
@click.option("--steps", type=click.IntRange(min=1), default=8, show_default=True, help="Environment steps in each.")
@click.option("--no-privileged", is_flag=True, help="Leave ground truth out, which some simulators take long to make.")
@pick_options("overrides")
def check_env(
    suite: str, tasks: tuple[str, ...], episodes: int, steps: int, no_privileged: bool, overrides: tuple[str, ...]
) -> int:
    """Try the environment plug-in of SUITE, a name or a YAML file.

    Scenes, chunks, observations, hashes, pictures and the end of an episode are tried in its environments, what it
    answers without its simulator in a fresh process.
    """
    from mmact_eval import registry
    from mmact_eval.config.suite_file import load_suite
    from mmact_eval.conformance import check_env_plugin
    from mmact_eval.runs.episodes import select_tasks, suite_tasks

    loaded = load_suite(suite, overrides)
    plugin = registry.env_plugin(loaded.env)
    chosen: list[str | None] = [None]
    if tasks:
        chosen = [task.name for task in select_tasks(suite_tasks(plugin, loaded), ",".join(tasks))]
    kept = True
    for task in chosen:
        report = check_env_plugin(
            plugin, loaded, task=task, episodes=episodes, steps=steps, privileged=not no_privileged, strict=False
        )
        _show(report)
        kept = kept and report.ok
    return 0 if kept else 1


@command.command(
    "policy",
    epilog="""\b
Examples:
  mmact-eval check policy random --suite toy
  mmact-eval check policy my_policy.py:make --suite libero-object --policy-args path=ckpt/
  mmact-eval check policy expert --suite libero-spatial --simulate
Exit code: 0 all promises kept, 1 some broken, 2 wrong input.""",
)
@click.argument("policy")
@pick_options("suite", "policy_args", "overrides")
@click.option("--task", help="A task's number or name.  [default: the first]")
@click.option(
    "--episodes", type=click.IntRange(min=2), default=3, show_default=True, help="Episodes asked about at once."
)
@click.option("--queries", type=click.IntRange(min=2), default=3, show_default=True, help="Queries in each.")
@click.option("--simulate", is_flag=True, help="Ask about the suite's scenes. Without it, about noise of their shape.")
def check_policy(
    policy: str, suite: str, policy_args: tuple[str, ...], overrides: tuple[str, ...], task: str | None,
    episodes: int, queries: int, simulate: bool,
) -> int:  # fmt: skip
    """Try POLICY: a registered name, module:attr, file.py:attr or ws://host:port.

    It is asked the same questions alone and together, in several orders and again. A policy that needs simulator
    ground truth is asked about the suite's scenes in any case.
    """
    from mmact_eval import conformance, registry
    from mmact_eval.config.suite_file import load_suite

    loaded = load_suite(suite, overrides)
    spec = registry.env_plugin(loaded.env).spec(loaded)
    made = registry.make_policy(policy, parse_assignments(policy_args, "--policy-args"), spec)
    simulate = simulate or made.policy.spec.privileged
    if task is not None and not simulate:
        raise UsageError("--task chooses scenes: add --simulate.")
    report = conformance.check_policy(
        made.policy,
        spec,
        suite=loaded if simulate else None,
        task=task,
        episodes=episodes,
        queries=queries,
        strict=False,
    )
    _show(report)
    return 0 if report.ok else 1


def _show(report: Report) -> None:
    """The table, and what to do about each broken promise."""
    width = max(len(finding.name) for finding in report.findings)
    click.echo(click.style(report.subject, bold=True))
    for finding in report.findings:
        click.echo(_line(finding, width))
        if finding.status == "failed":
            click.echo(f"           promised: {finding.promised}")
            click.echo(f"           to mend:  {finding.mend}")
    count = len(report.broken)
    kept = sum(finding.status in ("ok", "note") for finding in report.findings)
    skipped = sum(finding.status == "skipped" for finding in report.findings)
    told = f"{kept} kept, {count} broken, {skipped} not tried."
    click.echo(click.style(told, fg="red" if count else "green"))


def _line(finding: Finding, width: int) -> str:
    word, colour = _MARKS[finding.status]
    return f"  {click.style(f'{word:7}', fg=colour)}  {finding.name.ljust(width)}  {finding.happened}".rstrip()
