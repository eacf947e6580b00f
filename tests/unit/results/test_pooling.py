"""Several folders of one run count as one, if they were made alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from mmact_eval.commands.compare import command as compare_command
from mmact_eval.commands.report import command as report_command
from mmact_eval.errors import MmactEvalError, RunFolderError, UsageError
from mmact_eval.results.reporting import read_report

MakeRun = Callable[..., Path]


def test_halves_of_a_suite_are_one_row(make_run: MakeRun) -> None:
    whole = read_report([make_run("whole", {"cup": "SSF", "pot": "FE"})]).runs[0].summary
    halves = [make_run("a", {"cup": "SSF"}), make_run("b", {"pot": "FE"})]
    report = read_report(halves, ["mine", "mine"])
    assert report.arms == ("mine",)
    (arm,) = report.runs
    assert [(row.task, row.successes, row.errors, row.episodes) for row in (*arm.summary.rows, arm.summary.total)] == [
        (row.task, row.successes, row.errors, row.episodes) for row in (*whole.rows, whole.total)
    ]
    assert any("2 runs count as one" in warning for warning in arm.summary.warnings)
    assert not any("not finished" in warning for warning in arm.summary.warnings)
    assert [arm.run.folder_of(result.episode).name for result in arm.run.results] == ["a"] * 3 + ["b"] * 2


def test_what_was_asked_for_is_added_up(make_run: MakeRun) -> None:
    parts = [make_run("a", {"cup": "SSSS"}), make_run("b", {"pot": "FF"})]
    lines = (parts[0] / "episodes.jsonl").read_text().splitlines()
    (parts[0] / "episodes.jsonl").write_text("\n".join(lines[:3]) + "\n")
    (arm,) = read_report(parts, ["mine", "mine"]).runs
    assert [row.asked for row in (*arm.summary.rows, arm.summary.total)] == [4, 2, 6]
    assert any("1 of 6 episodes have no result yet" in warning for warning in arm.summary.warnings)


def test_pooled_runs_are_compared_like_any_arm(make_run: MakeRun) -> None:
    parts = [make_run("a", {"cup": "SS"}), make_run("b", {"pot": "SF"})]
    other = make_run("c", {"cup": "FF", "pot": "SS"}, policy={"name": "other"})
    (suite,) = read_report([parts[0], other, parts[1]], ["mine", "", "mine"]).suites
    (pairing,) = suite.pairings
    assert (pairing.first, pairing.second, pairing.counts.n) == ("mine", "other", 4)


def test_runs_that_were_made_differently_are_refused_with_the_difference(make_run: MakeRun) -> None:
    runs = [make_run("a", {"cup": "S"}), make_run("b", {"pot": "S"}, protocol={"max_steps": 10})]
    with pytest.raises(UsageError, match=r'both be called "mine".*protocol\.max_steps: 60 → 10'):
        read_report(runs, ["mine", "mine"])
    seeds = [make_run("c", {"cup": "SF"}), make_run("d", {"cup": "SS"}, seed=1)]
    with pytest.raises(UsageError, match=r"seed: 0 → 1.*--allow"):
        read_report(seeds, ["mine", "mine"])
    (arm,) = read_report(seeds, ["mine", "mine"], allow=["seed"]).runs
    assert (arm.summary.total.successes, arm.summary.total.episodes) == (3, 4)
    assert any("They differ: seed: 0 → 1" in warning for warning in arm.summary.warnings)


def test_an_episode_of_both_counts_once_and_contradictions_are_refused(make_run: MakeRun) -> None:
    same = [make_run("a", {"cup": "SE"}), make_run("b", {"cup": "SF"})]
    (arm,) = read_report(same, ["mine", "mine"]).runs
    assert (arm.summary.total.episodes, arm.summary.total.errors, arm.summary.total.successes) == (2, 0, 1)
    assert any("1 episode is in more than one" in warning for warning in arm.summary.warnings)
    with pytest.raises(RunFolderError, match="different results of toy/cup/init1/seed0"):
        read_report([same[1], make_run("c", {"cup": "SS"})], ["mine", "mine"])
    with pytest.raises(UsageError, match="given twice"):
        read_report([same[0], same[0]], ["mine", "mine"])


def test_the_command_pools_runs_of_one_name(make_run: MakeRun, tmp_path: Path) -> None:
    runs = [f"mine={make_run('a', {'cup': 'SS'})}", f"mine={make_run('b', {'pot': 'SF'})}"]
    done = CliRunner().invoke(report_command, [*runs, "--out", str(tmp_path / "out")], standalone_mode=False)
    assert (done.return_value, done.exception) == (0, None)
    assert "3/4" in done.output
    assert "3/4" in (tmp_path / "out" / "report.md").read_text()


def compared(*arguments: str) -> str:
    done = CliRunner().invoke(compare_command, list(arguments), standalone_mode=False)
    return str(done.exception) if isinstance(done.exception, MmactEvalError) else done.output


def test_compare_gives_advice_that_helps(make_run: MakeRun) -> None:
    base = str(make_run("a", {"cup": "SSSS"}))
    longer = str(make_run("b", {"cup": "SSSS"}, protocol={"max_steps": 90, "seed_mode": "upstream"}))
    text = compared(base, longer)
    advice = "--allow protocol.max_steps --allow protocol.seed_mode"
    assert f"{advice} compares them all the same" in text
    assert "NOT COMPARABLE" not in compared(base, longer, *advice.split())
    text = compared(base, str(make_run("c", {"pot": "SSSS"})))
    assert "--allow" not in text
    assert "mmact-eval report NAME=A NAME=B" in text
    assert "different names" in compared(f"x={base}", f"x={longer}")
