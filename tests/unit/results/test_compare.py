"""`compare` as a judge in CI: every exit code, and bad input that must not become a wrong table."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from mmact_eval.cli import cli
from mmact_eval.errors import MmactEvalError, RunFolderError, UsageError
from mmact_eval.results import reporting

MakeRun = Callable[..., Path]


def compare(*arguments: object) -> tuple[int, str]:
    """The exit code and the output of `mmact-eval compare`."""
    runner = CliRunner()
    with runner.isolation() as streams:
        try:
            code = cli.main(["compare", *map(str, arguments)], standalone_mode=False)
        except (MmactEvalError, click.ClickException) as error:
            return error.exit_code, str(error)
        return code or 0, streams[0].getvalue().decode()


def test_a_better_run_passes(make_run: MakeRun) -> None:
    a, b = make_run("a", {"cup": "F" * 10 + "S" * 10}), make_run("b", {"cup": "S" * 20})
    code, text = compare(a, b)
    assert code == 0
    assert "BETTER" in text
    assert "10 episodes gained, 0 lost, of 20; exact McNemar p = 0.002" in text


def test_a_regression_fails_however_little(make_run: MakeRun) -> None:
    a, b = make_run("a", {"cup": "S" * 1000}), make_run("b", {"cup": "S" * 990 + "F" * 10})
    code, text = compare(a, b, "--margin", 5)
    assert code == 1
    assert "REGRESSION" in text
    assert "difference B - A -1.0 points" in text


def test_few_episodes_are_underpowered_and_many_equal_ones_pass(make_run: MakeRun) -> None:
    code, text = compare(make_run("a", {"cup": "SSFFSSFF"}), make_run("b", {"cup": "SSFFSSFS"}))
    assert code == 2
    assert "UNDERPOWERED" in text
    assert "pairs would be needed" in text
    code, text = compare(make_run("c", {"cup": "SF" * 100}), make_run("d", {"cup": "SF" * 99 + "SS"}))
    assert code == 0
    assert "A loss of 5 points is excluded" in text


def test_identical_rollouts_are_equal_at_any_number(make_run: MakeRun) -> None:
    code, text = compare(make_run("a", {"cup": "SSF"}), make_run("b", {"cup": "SSF"}))
    assert code == 0
    assert "All 3 pairs of rollouts ended in the same simulator state" in text


def test_other_protocols_are_not_comparable_unless_allowed(make_run: MakeRun) -> None:
    a = make_run("a", {"cup": "S" * 100})
    b = make_run("b", {"cup": "S" * 100}, protocol={"max_steps": 30}, versions={"mujoco": "3.1"})
    code, text = compare(a, b)
    assert code == 3
    assert "protocol.max_steps: 60 → 30" in text
    assert "versions.mujoco: (absent) → 3.1" in text
    assert compare(a, b, "--allow", "protocol.max_steps")[0] == 3
    assert compare(a, b, "--allow", "protocol.max_steps", "--allow", "versions")[0] == 0


def test_runs_without_common_episodes_are_not_comparable(make_run: MakeRun) -> None:
    a = make_run("a", {"cup": "SSS"})
    assert compare(a, make_run("b", {"pot": "SSS"}))[0] == 3
    code, text = compare(a, make_run("seed", {"cup": "SSS"}, seed=1))
    assert code == 3
    assert "seed: 0 → 1" in text
    code, text = compare(a, make_run("empty", {}))
    assert code == 3
    assert "has no completed episode" in text
    assert compare(a, make_run("other", {"cup": "SSS"}, suite="another"))[0] == 3


def test_other_scenes_under_the_same_protocol_are_not_comparable(make_run: MakeRun, tmp_path: Path) -> None:
    a, b = make_run("a", {"cup": "SSS"}), make_run("b", {"cup": "SSS"})
    file = b / "episodes.jsonl"
    file.write_text(file.read_text().replace("scene-cup-1", "scene-cup-9"))
    code, text = compare(a, b)
    assert code == 3
    assert "1 of 3 episodes began in another scene" in text
    assert compare(a, b, "--allow", "scene")[0] != 3


def test_errors_do_not_hide_a_regression(make_run: MakeRun) -> None:
    """Errors are left out of the pairs; a policy that crashes where it used to succeed must not pass for that."""
    a, b = make_run("a", {"cup": "S" * 200}), make_run("b", {"cup": "S" * 150 + "E" * 50})
    code, text = compare(a, b)
    assert code == 1
    assert "With errors counted as not solved: 0 episodes gained, 50 lost" in text


def test_only_common_episodes_are_compared_and_that_is_said(make_run: MakeRun) -> None:
    code, text = compare(make_run("a", {"cup": "S" * 100}), make_run("b", {"cup": "S" * 80}))
    assert code == 0
    assert "has no result for 20 episodes" in text
    assert "  80 " in text


@pytest.mark.parametrize(
    "arguments", [[], ["a"], ["a", "b", "c"], ["a", "b", "--margin", "-1"], ["a", "b", "--nonsense"]]
)
def test_wrong_arguments_have_a_code_of_their_own(arguments: list[str]) -> None:
    assert compare(*arguments)[0] == 4


def test_folders_that_are_no_runs_have_the_code_of_wrong_arguments(make_run: MakeRun, tmp_path: Path) -> None:
    a = make_run("a", {"cup": "S"})
    assert compare(a, tmp_path / "nowhere") == (4, f"{tmp_path}/nowhere is no run folder: it has no manifest.json.")
    code, text = compare(a, a)
    assert code == 4
    assert "given twice" in text


def test_json_for_machines(make_run: MakeRun) -> None:
    code, text = compare(f"old={make_run('a', {'cup': 'SSFF'})}", f"new={make_run('b', {'cup': 'SFFF'})}", "--json")
    record: dict[str, Any] = json.loads(text)
    assert (code, record["exit_code"], record["verdict"]) == (2, 2, "underpowered")
    assert (record["a"], record["b"], record["pairs"], record["only_a"], record["only_b"]) == ("old", "new", 4, 1, 0)
    assert record["interval_95"][0] < record["difference"] == -0.25 < record["interval_95"][1]


def test_arms_are_named_by_what_differs(make_run: MakeRun) -> None:
    runs = [
        make_run("a", {"cup": "S"}),
        make_run("b", {"cup": "S"}, protocol={"replan": 2}),
        make_run("c", {"cup": "S"}, policy={"name": "other"}),
        make_run("d/run", {"cup": "S"}, policy={"name": "other"}),
        make_run("e", {"cup": "S"}, suite="second", policy={"name": "other"}),
    ]
    report = reporting.read_report(runs)
    assert report.arms == ("mine replan=4", "mine replan=2", "other (c)", "other (run)", "other (e)")
    assert reporting.read_report([runs[0], runs[4]], ["x", "x"]).arms == ("x",)
    assert reporting.read_report(runs[:3], baseline="other").arms[0] == "other"
    with pytest.raises(UsageError, match='both be called "x"'):
        reporting.read_report(runs[:2], ["x", "x"])
    with pytest.raises(UsageError, match="there is no arm"):
        reporting.read_report(runs[:1], baseline="nobody")


def test_two_different_results_of_an_episode_are_refused(make_run: MakeRun) -> None:
    folder = make_run("a", {"cup": "SF"})
    other = make_run("b", {"cup": "FF"})
    with open(folder / "episodes.jsonl", "a") as stream:
        stream.write((other / "episodes.jsonl").read_text())
    with pytest.raises(RunFolderError, match="two different results for toy/cup/init0/seed0"):
        reporting.read_report([folder])


def test_the_same_result_twice_counts_once_and_an_error_tried_again_is_no_duplicate(make_run: MakeRun) -> None:
    folder = make_run("a", {"cup": "SF"})
    file = folder / "episodes.jsonl"
    file.write_text(file.read_text() * 2)
    (arm,) = reporting.read_report([folder]).runs
    assert arm.summary.total.episodes == 2
    assert any("2 episodes are there twice" in text for text in arm.summary.warnings)
    retried = make_run("b", {"cup": "E"})
    with open(retried / "episodes.jsonl", "a") as stream:
        stream.write((folder / "episodes.jsonl").read_text().splitlines()[0] + "\n")
    (arm,) = reporting.read_report([retried]).runs
    assert (arm.summary.total.errors, arm.summary.total.successes) == (0, 1)
    assert not arm.run.warnings


def test_a_half_written_run_says_so(make_run: MakeRun) -> None:
    folder = make_run("a", {"cup": "SSSS"})
    file = folder / "episodes.jsonl"
    file.write_text(file.read_text()[:-40])
    (arm,) = reporting.read_report([folder]).runs
    assert arm.summary.total.episodes == 3
    text = " ".join(arm.summary.warnings)
    assert "1 of 4 episodes have no result yet" in text
    assert "not an episode, left out: line 4" in text


def test_policies_of_one_name_are_told_apart_by_their_files_or_folders(make_run: MakeRun) -> None:
    def heading(first: Path, second: Path) -> str:
        return next(line for line in compare(first, second)[1].splitlines() if line)

    runs = [make_run(f"{name}/run", {"cup": "SF"}, policy={"name": "chunk"}) for name in ("x", "y")]
    assert heading(*runs) == "Toy: chunk (x/run) (A) and chunk (y/run) (B)"
    for run, file in zip(runs, ("/home/me/a/chunk.py:Mine", "b/chunk.py:Mine"), strict=True):
        data = json.loads((run / "manifest.json").read_text())
        data["policy"]["target"] = file
        (run / "manifest.json").write_text(json.dumps(data))
    assert heading(*runs) == "Toy: chunk (a/chunk.py:Mine) (A) and chunk (b/chunk.py:Mine) (B)"


def test_a_setting_that_is_said_twice_in_a_fingerprint_is_said_once_in_a_name(make_run: MakeRun) -> None:
    runs = [make_run(f"r{n}", {"cup": "SF"}, policy={"args": {"chunk": n}, "chunk": n}) for n in (2, 4)]
    assert "mine chunk=2 (A) and mine chunk=4 (B)" in compare(*runs)[1]
