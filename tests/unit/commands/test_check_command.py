"""`mmact-eval check`: a table, and an exit code that a script can rely on."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from mmact_eval.commands.checks.check import command
from mmact_eval.errors import UsageError


def check(*args: str) -> tuple[int, str]:
    result = CliRunner().invoke(command, args, standalone_mode=False)
    if result.exception:
        raise result.exception
    return result.return_value, result.output


def test_an_environment_that_keeps_its_promises_is_zero() -> None:
    code, output = check(
        "env", "toy", "--task", "easy", "--task", "hard", "--steps", "4", "--set", "protocol.resolution=32"
    )
    assert code == 0
    assert "task easy" in output
    assert "task hard" in output
    assert output.count("24 kept, 0 broken, 1 not tried.") == 2


def test_broken_promises_are_one_and_told(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from mmact_eval.policies.random import RandomPolicy, make_policy as make_random\n"
        "class Mine(RandomPolicy):\n"
        "    def act(self, queries): return super().act(queries[:1]) * len(queries)\n"
        "def make(env_spec): return Mine(make_random(env_spec).spec)\n"
    )
    code, output = check("policy", f"{file}:make", "--suite", "toy")
    assert code == 1
    assert "promised: queries that are asked together get the answers that they get alone" in output
    assert "to mend:  answer each query from its own observation" in output


def test_a_policy_that_needs_ground_truth_is_asked_about_the_suites_scenes() -> None:
    code, output = check("policy", "toy", "--suite", "toy", "--policy-args", "chunk=3", "--task", "hard")
    assert code == 0
    assert "policy toy on toy" in output
    assert "12 kept" in output


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("env", "tyo"), 'no suite "tyo".*Did you mean "toy"'),
        (("env", "toy", "--task", "eazy"), 'no task is called "eazy".*Did you mean "easy"'),
        (("policy", "randon", "--suite", "toy"), 'unknown policy "randon".*Did you mean "random"'),
        (("policy", "random", "--suite", "toy", "--policy-args", "chnk=1"), 'no argument "chnk".*Did you mean "chunk"'),
        (("policy", "random", "--suite", "toy", "--task", "easy"), "add --simulate"),
    ],
)
def test_wrong_input_is_refused_with_what_was_meant(args: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        check(*args)
    assert caught.value.exit_code == 2


def test_an_unknown_kind_is_refused_with_what_was_meant() -> None:
    result = CliRunner().invoke(command, ["enf", "toy"])
    assert result.exit_code == 2
    assert 'Did you mean "env"' in result.output


def test_a_suite_that_the_environment_refuses_is_wrong_input_not_a_broken_promise() -> None:
    with pytest.raises(UsageError, match='unknown "falt"'):
        check("env", "toy", "--set", "env_args.falt=raise")
