"""Running episodes of a run again: the same bits from the same policy, and clear words where that cannot be."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mmact_eval.runs.reading import read_episodes

POLICY = """
import numpy as np
from mmact_eval import PolicyOutput, PolicySpec


class Mine:
    def __init__(self, env_spec, speed=1.0, checkpoint=""):
        self.spec = PolicySpec("mine", env_spec.action, chunk=4, state=("position", "target"), checkpoint=checkpoint)
        self.speed = speed

    def reset(self, episodes): ...

    def act(self, queries):
        return [PolicyOutput(self._towards(q.observation.state)) for q in queries]

    def _towards(self, state):
        return np.tile(np.float32(self.speed * (state["target"] - state["position"])), (4, 1))
"""


def mmact_eval(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mmact_eval", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def run(out: Path, *arguments: object, cwd: Path | None = None) -> Path:
    done = mmact_eval("run", "--suite", "toy", "--out", out, *arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def random_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("runs") / "random", "--policy", "random", "--episodes", "6")


def test_replicas_of_its_policy_run_it_again(tmp_path: Path, random_run: Path) -> None:
    done = mmact_eval("recheck", random_run, "--sample", "3", "--policy-replicas", "2")
    assert done.returncode == 0, done.stderr
    assert "Of 3 episodes 3 are equal to the bit" in done.stdout
    (tmp_path / "mine.py").write_text(POLICY)
    mine = run(
        tmp_path / "run", "--policy", "mine.py:Mine", "--policy-args", "speed=0.5", "--episodes", "1", cwd=tmp_path
    )
    (tmp_path / "mine.py").write_text(POLICY.replace('"mine"', '"yours"'))
    done = mmact_eval("recheck", mine, "--policy-replicas", "1", cwd=tmp_path)
    assert done.returncode == 2
    assert "its policy had the name mine, and what --policy mine.py:Mine makes here has yours" in done.stderr


def test_a_run_comes_out_again_to_the_bit_and_is_left_alone(random_run: Path) -> None:
    before = contents(random_run)
    done = mmact_eval("recheck", random_run, "--sample", "7", "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert "Of 7 episodes 7 are equal to the bit" in done.stdout
    assert done.stdout.count("equal to the bit") == 8
    assert contents(random_run) == before


def test_an_exported_run_is_rechecked_reported_and_compared_like_the_run(random_run: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    assert mmact_eval("export", random_run, "--out", small).returncode == 0
    done = mmact_eval("recheck", small, "--sample", "100")
    assert done.returncode == 0, done.stderr
    assert "Of 12 episodes 12 are equal to the bit" in done.stdout
    compared = mmact_eval("compare", random_run, small)
    assert compared.returncode == 0
    assert "All 12 pairs of rollouts ended in the same simulator state." in compared.stdout
    assert mmact_eval("report", small, "--out", tmp_path / "report").returncode == 0


def test_a_kept_repetition_is_a_run_of_the_drawn_episodes(random_run: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    assert mmact_eval("recheck", random_run, "--sample", "4", "--seed", "3", "--out", again).returncode == 0
    then, now = read_episodes(random_run)[0], read_episodes(again)[0]
    assert len(now) == 4
    assert {e: r.reproducible() for e, r in now.items()} == {e: then[e].reproducible() for e in now}


def test_a_changed_record_is_found(random_run: Path, tmp_path: Path) -> None:
    forged = tmp_path / "forged"
    assert mmact_eval("export", random_run, "--out", forged).returncode == 0
    text = (forged / "episodes.jsonl").read_text()
    (forged / "episodes.jsonl").write_text(text.replace('"failure"', '"success"'))
    done = mmact_eval("recheck", forged, "--sample", "100")
    failures = text.count('"failure"')
    assert done.returncode == 1
    assert f"{failures} are different. Solved: 12 of 12 then, {12 - failures} now." in done.stdout
    assert "Nothing that is recorded explains it" in done.stdout


def test_an_edited_policy_is_named_as_what_differs(tmp_path: Path) -> None:
    file = tmp_path / "policy.py"
    file.write_text(POLICY)
    folder = run(tmp_path / "run", "--policy", "policy.py:Mine", "--episodes", "3", cwd=tmp_path)
    file.write_text(POLICY.replace("speed=1.0", "speed=-1.0"))
    done = mmact_eval("recheck", folder, cwd=tmp_path)
    assert done.returncode == 1
    assert "policy.code.policy.py: " in done.stdout
    assert "this checks another policy" in done.stdout


def test_another_checkpoint_is_refused_before_anything_runs_unless_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "policy.py").write_text(POLICY)
    args = ("--policy-args", "checkpoint=a")
    run(tmp_path / "run", "--policy", "policy.py:Mine", "--episodes", "3", *args, cwd=tmp_path)
    folder = tmp_path / "small"
    assert mmact_eval("export", tmp_path / "run", "--out", folder).returncode == 0
    _edit_manifest(folder, ("fingerprint", "policy", "checkpoint"), "elsewhere")
    done = mmact_eval("recheck", folder, cwd=tmp_path)
    assert done.returncode == 2
    assert "its policy had the checkpoint elsewhere, and what --policy policy.py:Mine makes here has a" in done.stderr
    named = mmact_eval("recheck", folder, *args, cwd=tmp_path)
    assert named.returncode == 0, named.stderr
    assert "policy.checkpoint: elsewhere → a" in named.stdout


def test_a_checkpoint_that_lies_elsewhere_with_the_same_content_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "policy.py").write_text(POLICY)
    for name, content in (("theirs", "weights"), ("mine", "weights"), ("other", "other weights")):
        (tmp_path / name).write_text(content)
    args = ("--policy-args", "checkpoint=theirs")
    folder = run(tmp_path / "run", "--policy", "policy.py:Mine", "--episodes", "3", *args, cwd=tmp_path)
    (tmp_path / "theirs").unlink()
    moved = mmact_eval("recheck", folder, "--policy-args", "checkpoint=mine", cwd=tmp_path)
    assert moved.returncode == 0, moved.stderr
    assert "Nothing that is recorded differs" in moved.stdout
    other = mmact_eval("recheck", folder, "--policy-args", "checkpoint=other", cwd=tmp_path)
    assert "policy.paths.checkpoint: " in other.stdout


def test_a_policy_that_is_not_here_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "policy.py").write_text(POLICY)
    folder = run(tmp_path / "run", "--policy", "policy.py:Mine", "--episodes", "3", cwd=tmp_path)
    (tmp_path / "policy.py").rename(tmp_path / "moved.py")
    done = mmact_eval("recheck", folder, cwd=tmp_path)
    assert done.returncode == 2
    assert "cannot be run again here" in done.stderr
    assert "policy.py" in done.stderr
    assert [line[:6] for line in done.stderr.splitlines()] == ["Runnin", "Error:"]
    moved = mmact_eval("recheck", folder, "--policy", "moved.py:Mine", cwd=tmp_path)
    assert moved.returncode == 0, moved.stderr


def test_errors_now_are_no_differences_and_not_a_pass(tmp_path: Path) -> None:
    folder = run(tmp_path / "run", "--policy", "toy", "--tasks", "easy", "--episodes", "3")
    _edit_manifest(folder, ("suite", "env_args"), {"fault": "raise", "fault_init_state": 1})
    done = mmact_eval("recheck", folder)
    assert done.returncode == 1
    assert "Of 3 episodes 2 are equal to the bit, 0 in outcome, 0 are different, and 1 came to no result" in done.stdout
    assert "toy fault" in done.stdout


def test_errors_then_are_not_compared(tmp_path: Path) -> None:
    flags = ["--set", "env_args.fault=raise", "--set", "env_args.fault_init_state=1", "--retries", "0"]
    done = mmact_eval("run", "--suite", "toy", "--policy", "toy", "--episodes", "3", "--out", tmp_path / "run", *flags)
    assert done.returncode == 1
    again = mmact_eval("recheck", tmp_path / "run")
    assert again.returncode == 0, again.stderr
    assert "Of 4 episodes 4 are equal to the bit" in again.stdout
    assert "2 episodes of the run ended in errors then" in again.stdout


def test_an_arm_of_a_study_is_rechecked_with_its_transforms(tmp_path: Path) -> None:
    study = (
        "name: s\nbase: {suite: toy, policy: random, episodes: 3}\narms: {late: {transforms: [{delay: {steps: 2}}]}, "
    )
    study += "often: {transforms: [{replan: {steps: 3}}]}}\n"
    (tmp_path / "study.yaml").write_text(study)
    done = mmact_eval("ablate", "--study", tmp_path / "study.yaml", "--out", tmp_path / "study")
    assert done.returncode == 0, done.stderr
    for arm in ("late", "often"):
        again = mmact_eval("recheck", tmp_path / "study" / arm)
        assert again.returncode == 0, again.stderr
        assert "Of 6 episodes 6 are equal to the bit" in again.stdout
        assert "Nothing that is recorded differs" in again.stdout


def test_what_is_no_run_or_cannot_be_repeated_is_refused(random_run: Path, tmp_path: Path) -> None:
    for folder, out, says in (
        (tmp_path, tmp_path / "out", "is no run folder"),
        (random_run, random_run / "again", "lies in the run that is to be checked"),
        (random_run, random_run, "lies in the run that is to be checked"),
    ):
        done = mmact_eval("recheck", folder, "--out", out)
        assert done.returncode == 2
        assert says in done.stderr
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "manifest.json").write_text((random_run / "manifest.json").read_text())
    done = mmact_eval("recheck", bare)
    assert done.returncode == 2
    assert "no completed episode" in done.stderr


def _edit_manifest(folder: Path, keys: tuple[str, ...], value: Any) -> None:
    file = folder / "manifest.json"
    manifest = json.loads(file.read_text())
    part = manifest
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = value
    file.write_text(json.dumps(manifest))


@pytest.mark.libero
def test_rollouts_of_the_expert_come_out_again_to_the_bit(tmp_path: Path) -> None:
    folder, small = tmp_path / "run", tmp_path / "small"
    arguments = ("--policy", "expert", "--tasks", "0,3", "--episodes", "2", "--out", folder)
    assert mmact_eval("run", "--suite", "libero-object", *arguments).returncode == 0
    assert mmact_eval("export", folder, "--out", small).returncode == 0
    done = mmact_eval("recheck", small, "--sample", "2")
    assert done.returncode == 0, done.stderr
    assert "Of 2 episodes 2 are equal to the bit" in done.stdout
    assert {result.outcome for result in read_episodes(small)[0].values()} == {"success"}
