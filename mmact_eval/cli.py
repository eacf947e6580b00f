"""The command line: one file a command, loaded when it is used."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import sys
from importlib.metadata import EntryPoint, entry_points

import click

from mmact_eval import __version__
from mmact_eval.commands.common.plugged_in import said_of
from mmact_eval.errors import MmactEvalError, Stopped, UsageError, did_you_mean
from mmact_eval.machine.console import prepare_streams, silence_output
from mmact_eval.machine.user_folders import ensure_home

_COMMANDS = {
    "run": "Evaluate a policy on a suite.",
    "probe": "Find flipped images, inverted grippers and the like before a run.",
    "profile": "Measure what asking a policy costs: time, memory, FLOPs.",
    "ablate": "Run a study: arms that differ in one thing, on the same episodes.",
    "record": "Record a policy's successes as a LeRobot data set.",
    "serve": "Serve a policy to others, in openpi's protocol or another.",
    "compare": "Compare a run with another one on the same episodes; for CI.",
    "merge": "Put parts of a run, or runs of the same, together as one run.",
    "report": "Make reports from run folders.",
    "view": "Show all runs and studies in a browser while they go on.",
    "recheck": "Run some of a run's episodes again, here, and compare bit by bit.",
    "export": "Write a run without times, videos and logs: small enough to publish.",
    "published": "List what others report, with sources.",
    "list": "List suites, studies, tasks, policies, environments, reports and engines.",
    "verify": "Prove that an environment equals its upstream loop, bit for bit.",
    "check": "Check that an environment or a policy keeps the protocols' promises.",
    "doctor": "Check what works on this machine and say what to do.",
    "setup": "Install what an environment needs that pip cannot provide.",
}

_FOLDERS = dict.fromkeys(("probe", "recheck", "verify", "check", "doctor"), "checks.")

_CANNOT_HOLD = (errno.ENOSPC, errno.EDQUOT)
"""A full disk, wherever it is met: the log that the output goes to may lie on it."""


def _added() -> dict[str, EntryPoint]:
    """Commands that plug-ins add; they are imported when used."""
    found = sorted(entry_points(group="mmact_eval.commands"), key=lambda point: point.name)
    return {point.name: point for point in found if point.name not in _COMMANDS}


class _Commands(click.Group):
    """Finds commands by name without importing them all, so that --help is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*_COMMANDS, *_added()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _added():
            from mmact_eval import registry

            added: click.Command = registry.command(cmd_name)
            return added
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"mmact_eval.commands.{_FOLDERS.get(cmd_name, '')}{cmd_name}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = [*_COMMANDS, *_added()]
        if args and not args[0].startswith("-") and args[0] not in known:
            ctx.fail(f'there is no command "{args[0]}".{did_you_mean(args[0], known)}')
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([*_COMMANDS.items(), *((name, said_of(point)) for name, point in _added().items())])


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mmact-eval")
def cli() -> None:
    """Evaluate robot policies in simulation, with results that can be trusted.

    \b
    Examples:
      mmact-eval run --suite libero-object --policy expert --episodes 10
      mmact-eval run --suite libero-long --policy my_policy.py:make --workers 4
      mmact-eval list suites
      mmact-eval doctor
    """


def _require_working_folder() -> None:
    try:
        os.getcwd()
    except OSError as error:
        raise UsageError("the working folder is not there any more; change to one that is (cd).") from error


def main() -> None:
    """Entry point: errors a user can do something about become one message and an exit code."""
    prepare_streams()
    with contextlib.suppress(MmactEvalError):  # what needs a home then says so; most commands do not
        ensure_home()
    try:
        _require_working_folder()
        code = cli.main(standalone_mode=False)
        sys.stdout.flush()
    except MmactEvalError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    except click.exceptions.Abort:
        click.echo("Stopped.", err=True)
        sys.exit(130)
    except Stopped as stopped:
        click.echo("Stopped.", err=True)
        sys.exit(128 + stopped.number)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in _CANNOT_HOLD:
            raise
        silence_output()
        where = f" to {error.filename}" if error.filename else ""
        click.echo(f"Error: cannot write{where}: {error.strerror}. What was finished before is safe.", err=True)
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)
