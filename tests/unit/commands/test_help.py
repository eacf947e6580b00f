"""``mmact-eval --help`` says what each command does, those of plug-ins too."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest
from click.testing import CliRunner

from mmact_eval import registry
from mmact_eval.cli import cli
from mmact_eval.errors import UsageError

LISTED = sorted(point.name for point in entry_points(group="mmact_eval.commands"))


def test_commands_of_plug_ins_say_what_they_do() -> None:
    shown = CliRunner().invoke(cli, ["--help"]).output
    assert "train      Train a small MM-ACT on recorded demonstrations." in shown
    assert "alone" not in shown


def test_a_command_that_cannot_be_loaded_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> object:
        raise UsageError(f'command "{name}" needs what is not here: pip install it')

    monkeypatch.setattr(registry, "command", broken)
    done = CliRunner().invoke(cli, ["--help"])
    assert done.exit_code == 0
    assert 'command "train" needs what is not here' in " ".join(done.output.split())
    assert {"train", "mmact", "robotwin"} <= set(LISTED)
