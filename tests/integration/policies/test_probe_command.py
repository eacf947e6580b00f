"""The probe as a command, on the toy and on the real LIBERO."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mmact_eval import registry
from mmact_eval.config.suite_file import load_suite
from mmact_eval.probe.from_dataset import read_reference

MEMORY = f"{Path(__file__).parents[2] / 'helpers' / 'probe_memory.py'}:Memory"


def run(tmp_path: Path, *options: str) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "mmact_eval", "probe", "--json", "--out", str(tmp_path / "out"), *options]
    environment = {**os.environ, "MMACT_EVAL_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout)


def test_a_policy_that_knows_nothing_gives_no_alarm(tmp_path: Path) -> None:
    code, report = run(tmp_path, "--suite", "toy", "--policy", "random", "--policy-args", "cameras=all")
    assert code == 0
    assert report["episodes"] >= 12
    assert (tmp_path / "out" / "sheet.png").stat().st_size
    assert json.loads((tmp_path / "out" / "probe.json").read_text()) == report


def test_recorded_observations_do_instead_of_an_expert(tmp_path: Path) -> None:
    data = tmp_path / "data"
    record = [sys.executable, "-m", "mmact_eval", "record", "--suite", "toy", "--policy", "toy", "--episodes", "4"]
    subprocess.run([*record, "--images", "png", "--out", str(data)], check=True, capture_output=True, cwd=tmp_path)
    asked = ("--suite", "toy", "--policy", "random", "--policy-args", "cameras=all", "--data", str(data))
    code, report = run(tmp_path, *asked)
    assert code == 0
    assert report["episodes"] == 8  # of both tasks
    assert not (tmp_path / "cache" / "probe").exists()  # nobody played


def test_only_frames_with_pictures_of_their_own_are_shown(tmp_path: Path) -> None:
    record = [sys.executable, "-m", "mmact_eval", "record", "--suite", "toy", "--policy", "toy", "--episodes", "2"]
    subprocess.run([*record, "--every", "4", "--out", str(tmp_path)], check=True, capture_output=True)
    suite = load_suite("toy", ())
    reference = read_reference(tmp_path, suite, registry.env_plugin("toy").spec(suite), frames=5)
    steps = [frame.step for frame in reference.frames]
    assert len(steps) > 4
    assert not any(step % 4 for step in steps)


def test_ground_truth_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mmact_eval", "probe", "--suite", "toy", "--policy", "toy"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert "ground truth" in done.stderr


@pytest.mark.libero
@pytest.mark.slow
def test_errors_planted_into_a_policy_on_libero_are_named(tmp_path: Path) -> None:
    few = ["--suite", "libero-object", "--tasks", "0-1", "--frames", "12"]
    run(tmp_path, *few, "--episodes", "8", "--policy", "noop", "--policy-args", "cameras=all")  # plays the episodes
    frames = next((tmp_path / "cache" / "probe").glob("libero-object-*")) / "frames"
    memory = ["--episodes", "4", "--policy", MEMORY, "--policy-args", f"frames={frames}", "--policy-args", "first=4"]
    assert run(tmp_path, *few, *memory)[0] == 0
    for planted, named in (
        ("turned", "orientation of images"),
        ("swapped", "order of cameras"),
        ("inverted", "direction of the gripper"),
    ):
        code, report = run(tmp_path, *few, *memory, "--policy-args", f"{planted}=true")
        assert code == 1
        assert [f["name"] for f in report["findings"] if f["verdict"] == "fault"] == [named]
