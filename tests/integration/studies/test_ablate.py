"""`mmact-eval ablate` on the toy environment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmact_eval.commands.ablate import command
from mmact_eval.errors import RunAborted, RunFolderError, UsageError
from mmact_eval.runs.reading import read_run
from mmact_eval.types import Episode, EpisodeResult

STUDY = """
name: mine
title: What it costs
base: {suite: toy, policy: toy, episodes: 4}
arms:
  plain: {}
  coarse: {label: 4 bins, transforms: [{quantize: {bins: 4}}]}
  late: {label: 3 steps late, transforms: [{delay: {steps: 3}}]}
"""


def study(tmp_path: Path, text: str = STUDY) -> str:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    return str(path)


def ablate(tmp_path: Path, *arguments: str, text: str = STUDY) -> int:
    """The exit code; what a user would see as an error is raised."""
    given = ["--study", study(tmp_path, text), "--out", str(tmp_path / "out"), "--format", "csv,markdown", *arguments]
    code: int = command.main(given, standalone_mode=False)
    return code


def episodes(tmp_path: Path, arm: str) -> dict[Episode, EpisodeResult]:
    return {result.episode: result for result in read_run(tmp_path / "out" / arm).results}


def lines(tmp_path: Path, arm: str) -> int:
    return len((tmp_path / "out" / arm / "episodes.jsonl").read_text().splitlines())


def test_arms_share_episodes_and_scenes_and_the_report_marks_the_baseline(tmp_path: Path) -> None:
    assert ablate(tmp_path) == 0
    base = episodes(tmp_path, "plain")
    assert len(base) == 8
    for arm in ("coarse", "late"):
        found = episodes(tmp_path, arm)
        assert {e: r.scene_hash for e, r in found.items()} == {e: r.scene_hash for e, r in base.items()}
        assert any(found[e].final_hash != base[e].final_hash for e in base)
    report = (tmp_path / "out" / "report.md").read_text()
    assert report.startswith("# What it costs: Toy point reacher")
    assert "Against plain (baseline), on the episodes that both completed" in report
    assert "Not compared" not in report
    assert "3 steps late" in report
    manifest = json.loads((tmp_path / "out" / "late" / "manifest.json").read_text())
    assert manifest["fingerprint"]["policy"]["name"] == "toy + 3 steps late"
    assert manifest["fingerprint"]["policy"]["config"]["transforms"] == [{"delay": {"steps": 3}}]


def test_a_study_goes_on_where_it_stopped_and_may_be_run_arm_by_arm(tmp_path: Path) -> None:
    assert ablate(tmp_path, "--arms", "late", "--episodes", "2") == 0
    report = (tmp_path / "out" / "report.md").read_text()
    assert "The baseline, plain, has no results" in report
    assert "were not run: plain; 4 bins" in report
    assert ablate(tmp_path, "--arms", "plain,late", "--episodes", "3") == 0
    assert (lines(tmp_path, "plain"), lines(tmp_path, "late")) == (6, 6)  # nothing was run twice
    assert ablate(tmp_path, "--arms", "4 bins", "--episodes", "3") == 0
    assert lines(tmp_path, "coarse") == 6
    assert "plain (baseline)" in (tmp_path / "out" / "report.md").read_text()


def test_a_folder_belongs_to_one_study_with_one_base(tmp_path: Path) -> None:
    ablate(tmp_path, "--arms", "plain", "--episodes", "1")
    with pytest.raises(RunFolderError, match=r"policy: toy → random(.|\n)*--out"):
        ablate(tmp_path, "--policy", "random", "--episodes", "1")
    with pytest.raises(RunFolderError, match=r"base\.suite\.protocol\.max_steps: 60 → 9"):
        ablate(tmp_path, "--set", "protocol.max_steps=9", "--episodes", "1")


def test_an_arm_that_fails_costs_no_other_arm_and_is_named_in_the_report(tmp_path: Path) -> None:
    text = STUDY.replace("plain: {}", "plain: {}\n  broken: {policy_args: {chonk: 3}}\n  blind: {policy: nobody}")
    assert ablate(tmp_path, "--episodes", "1", text=text) == 1
    assert len(episodes(tmp_path, "late")) == 2
    report = (tmp_path / "out" / "report.md").read_text()
    assert 'Arm broken failed and is not shown: policy "toy" takes no argument "chonk". Did you mean "chunk"' in report
    assert 'Arm blind failed and is not shown: unknown policy "nobody"' in report


def test_without_any_completed_episode_there_is_no_report(tmp_path: Path) -> None:
    with pytest.raises(RunAborted, match=r'no arm of the study completed an episode:\n  - plain: unknown policy "x"'):
        ablate(tmp_path, "--policy", "x")
    assert not (tmp_path / "out" / "report.md").exists()


def test_a_failed_baseline_is_said_and_the_arms_run_to_the_end(tmp_path: Path) -> None:
    text = STUDY.replace("plain: {}", "plain: {policy: nobody}")
    assert ablate(tmp_path, "--episodes", "1", "--until-decided", text=text) == 1
    assert len(episodes(tmp_path, "late")) == 2
    assert (
        "The baseline, plain, has no results; arms are compared with 4 bins"
        in (tmp_path / "out" / "report.md").read_text()
    )


def test_until_decided_stops_an_arm_and_the_same_command_runs_nothing_more(tmp_path: Path) -> None:
    text = STUDY.replace("late: {label: 3 steps late, transforms: [{delay: {steps: 3}}]}", "idle: {policy: noop}")
    more = ("--episodes", "20", "--until-decided", "--workers", "2")
    assert ablate(tmp_path, *more, text=text) == 0
    assert len(episodes(tmp_path, "plain")) == 40
    done = lines(tmp_path, "idle")
    assert done < 25
    assert {e.task for e in episodes(tmp_path, "idle")} == {"easy", "hard"}  # tasks take turns
    report = (tmp_path / "out" / "report.md").read_text()
    assert "Arm idle was stopped early: worse than the baseline after" in report
    assert "at most 5 %" in report

    ablate(tmp_path, *more, text=text)
    assert lines(tmp_path, "idle") == done
    ablate(tmp_path, "--arms", "coarse", "--episodes", "20", text=text)
    assert "Arm idle was stopped early" in (tmp_path / "out" / "report.md").read_text()
    ablate(tmp_path, "--arms", "idle", "--episodes", "20", text=text)  # without the option the rest is run
    assert len(episodes(tmp_path, "idle")) == 40
    assert "was stopped early" not in (tmp_path / "out" / "report.md").read_text()
    with pytest.raises(UsageError, match="add plain to --arms"):
        ablate(tmp_path, "--arms", "idle", *more, text=text)


DISTURBED = """
name: moved
base: {suite: toy, policy: toy, policy_args: {chunk: 8}, episodes: 5}
axes:
  world:
    still: {}
    moved: {protocol: {disturbance: {metres: 0.3, first_step: 2, last_step: 5}}}
  look:
    often: {transforms: [{replan: {steps: 1}}]}
    seldom: {transforms: [{replan: {steps: 8}}]}
"""


def test_a_disturbance_is_the_same_in_all_arms_and_costs_those_who_do_not_look(tmp_path: Path) -> None:
    assert ablate(tmp_path, text=DISTURBED) == 0
    arms = {arm: episodes(tmp_path, arm) for arm in ("still-often", "moved-often", "moved-seldom")}
    happened: dict[str, dict[Episode, str]] = {
        arm: {
            e: (tmp_path / "out" / arm / r.artifacts["disturbance"]).read_text()
            for e, r in found.items()
            if "disturbance" in r.artifacts
        }
        for arm, found in arms.items()
    }
    assert not happened["still-often"]
    both = happened["moved-often"].keys() & happened["moved-seldom"].keys()
    assert len(both) >= 7
    assert all(happened["moved-often"][e] == happened["moved-seldom"][e] for e in both)
    assert len({json.loads(text)["step"] for text in happened["moved-often"].values()}) > 1
    for episode, result in arms["still-often"].items():
        assert arms["moved-often"][episode].scene_hash == result.scene_hash
    assert sum(r.steps for r in arms["moved-seldom"].values()) > sum(r.steps for r in arms["moved-often"].values())
    report = (tmp_path / "out" / "report.md").read_text()
    assert "Not compared" not in report
    assert f"Episodes in which something was displaced: moved, often {len(happened['moved-often'])} of 10" in report


REPEATED = """
name: mine
base: {suite: toy, policy: toy, episodes: 4}
axes:
  action:
    coarse: {label: 4 bins, transforms: [{quantize: {bins: 4}}]}
    plain: {}
  chunk:
    few: {policy_args: {chunk: 6}}
    many: {label: a dozen, policy_args: {chunk: 12}}
baseline: plain-few
repeats: chunk
"""


def test_an_axis_that_repeats_the_others_gets_a_table_of_its_own(tmp_path: Path) -> None:
    assert ablate(tmp_path, text=REPEATED) == 0
    report = (tmp_path / "out" / "report.md").read_text().split("## Over repeats (chunk)")[1]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in report.splitlines() if "|" in line][:4]
    assert rows[0][1:4] == ["few", "a dozen", "mean"]
    assert [row[0] for row in rows[2:]] == ["plain", "4 bins"]  # the baseline's first
    found = [episodes(tmp_path, arm).values() for arm in ("plain-few", "plain-many")]
    rates = [sum(result.outcome == "success" for result in results) / 8 for results in found]
    assert [float(cell.split()[0]) for cell in rows[2][1:4]] == [
        pytest.approx(100 * value, abs=0.05) for value in (*rates, sum(rates) / 2)
    ]


def test_what_repeats_must_be_an_axis(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='"seed" is not'):
        ablate(tmp_path, text=REPEATED.replace("repeats: chunk", "repeats: seed"))
