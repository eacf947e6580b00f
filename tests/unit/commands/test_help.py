"""``mmact-eval --help`` says what each command does, those of plug-ins too."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint

from click.testing import CliRunner

from mmact_eval.cli import cli
from mmact_eval.commands.common.plugged_in import said_of


def test_commands_of_plug_ins_say_what_they_do() -> None:
    shown = CliRunner().invoke(cli, ["--help"]).output
    assert "train      Train a small MM-ACT or MMaDA-VLA, or the baseline ViT + MLP, on" in shown
    assert "alone" not in shown


def test_nothing_of_a_plug_in_is_imported_for_that() -> None:
    code = (
        "from mmact_eval.cli import cli; cli.main(['--help'], standalone_mode=False)\n"
        "plug_ins = ('mmact_eval.envs', 'mmact_eval.policies')\n"
        "import sys; print([name for name in sys.modules if name.startswith(plug_ins)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_command_whose_source_is_not_there_is_named_by_its_module() -> None:
    nowhere = EntryPoint("mine", "no_such_package.commands:command", "mmact_eval.commands")
    nameless = EntryPoint("mine", "mmact_eval.cli:no_such_function", "mmact_eval.commands")
    assert (said_of(nowhere), said_of(nameless)) == ("See no_such_package.commands.", "See mmact_eval.cli.")
