"""`mmact-eval doctor`: what works on this machine and what to do about the rest."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from mmact_eval.errors import UsageError

if TYPE_CHECKING:
    from mmact_eval.protocols import Check

_MARKS = {"ok": ("✓", "ok", "green"), "note": ("–", "note", "yellow"), "fail": ("✗", "FAIL", "red")}


@click.command(
    "doctor",
    epilog="""\b
Examples:
  mmact-eval doctor
  mmact-eval doctor --deep
  mmact-eval doctor --json
  mmact-eval doctor --clear-cache""",
)
@click.option("--deep", is_flag=True, help="Try more of each simulator, which takes minutes.")
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON.")
@click.option("--clear-cache", is_flag=True, help="Only remove what environments keep and make again when needed.")
@click.pass_context
def command(ctx: click.Context, deep: bool, as_json: bool, clear_cache: bool) -> None:
    """Check what works on this machine and say what to do.

    Simulators are started and draw a picture, and what a run writes is written: as the user who asks.
    Exits with 1 when something a run needs is missing.
    """
    from mmact_eval.doctor import doctor

    if clear_cache:
        _clear()
        return
    duration = "minutes" if deep else "20 s"
    click.echo(f"Trying what a run needs: some {duration} where a simulator is installed …", err=True)
    checks = doctor.examine(deep=deep)
    well = doctor.healthy(checks)
    if as_json:
        click.echo(json.dumps({"ok": well, "checks": [asdict(check) for check in checks]}, indent=2))
    else:
        _show(checks)
        click.echo()
        if well:
            click.echo(click.style("Ready to run.", fg="green"))
        else:
            click.echo(click.style("Something a run needs is missing; see above.", fg="red"))
    ctx.exit(0 if well else 1)


def _clear() -> None:
    from mmact_eval.doctor.clearing import clear_caches

    try:
        lines = list(clear_caches())
    except OSError as error:
        raise UsageError(f"the cache cannot be cleared: {error}") from error
    for line in lines or ["There was nothing to remove."]:
        click.echo(line)


def _show(checks: list[Check]) -> None:
    width = max(len(check.name) for check in checks)
    column = 0 if _can_print(_MARKS) else 1
    group = ""
    for check in checks:
        if check.group != group:
            group = check.group
            click.echo(click.style(f"\n{group}", bold=True))
        mark = click.style(_MARKS[check.status][column], fg=_MARKS[check.status][2])
        click.echo(f"  {mark} {check.name.ljust(width)}  {check.detail}")
        if check.todo:
            click.echo(f"    {' ' * width}  {'→' if column == 0 else '->'} {check.todo}")


def _can_print(marks: dict[str, tuple[str, str, str]]) -> bool:
    try:
        "".join(mark for mark, _, _ in marks.values()).encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
