"""Whole runs on the real RoboTwin in its embedded mode: the oracle, MM-ACT with tiny weights, a deployed policy."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from robotwin_ready import TASK, suite_with_seeds, what_is_missing

from mmact_eval.engine.local import EngineOptions
from mmact_eval.runner import RunRequest, execute
from mmact_eval.store import read_episodes, read_sessions
from mmact_eval.suite import load_suite
from mmact_eval.types import EpisodeResult

pytestmark = [pytest.mark.robotwin, pytest.mark.skipif(bool(what_is_missing()), reason=what_is_missing())]
needs_torch = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("torch", "safetensors", "tokenizers")),
    reason="needs the extra mmact",
)

DEPLOYED = """
import numpy as np

def get_model(usr_args):
    return {"step": usr_args["step"], "resets": 0}

def reset_model(model):
    model["resets"] += 1

def eval(TASK_ENV, model, observation):
    assert TASK_ENV.get_instruction() == "stack them"
    for _ in range(3):
        joints = observation["joint_action"]["vector"] + model["step"]
        assert observation["observation"]["head_camera"]["rgb"].shape == (240, 320, 3)
        TASK_ENV.take_action(joints, action_type="qpos")
        observation = TASK_ENV.get_obs()
"""


def run(out: Path, *arguments: str) -> list[EpisodeResult]:
    """`mmact-eval run --suite robotwin-smoke …` on a manifest of its own; its results."""
    manifest = out.parent / "seeds.json"
    suite_with_seeds(manifest)
    command = [sys.executable, "-m", "mmact_eval", "run", "--suite", "robotwin-smoke", "--tasks", TASK]
    command += ["--set", f"env_args.seeds={manifest}", "--out", str(out), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=out.parent, env=dict(os.environ))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not comparable with published RoboTwin numbers" in done.stdout
    return list(read_episodes(out)[0].values())


def test_the_oracle_solves_an_episode(tmp_path: Path) -> None:
    arguments = ("--policy", "robotwin-oracle", "--policy-args", "cameras=head_camera")
    (result,) = run(tmp_path / "run", "--episodes", "1", *arguments)
    assert (result.outcome, result.attempts) == ("success", 1)
    assert result.scene_hash
    assert result.final_hash
    assert read_sessions(tmp_path / "run")[0]["prepared"]["vulkan"], "which driver drew the pictures is on record"


@needs_torch
@pytest.mark.parametrize(
    ("variant", "queries"),
    [
        pytest.param("vanilla", 2, marks=pytest.mark.slow),
        pytest.param("text", 2, marks=pytest.mark.slow),
        pytest.param("image", 2, marks=pytest.mark.slow),
        ("text-image", 1),
    ],
)
def test_mmact_drives_both_arms_by_the_poses_of_their_hands(tmp_path: Path, variant: str, queries: int) -> None:
    arguments = ["--limit", "2", "--policy", "mmact", "--set", "env_args.action=ee"]
    arguments += ["--set", f"protocol.max_steps={8 * queries}"]
    for argument in (f"variant={variant}", "plan_steps=2", "plan_tokens=16", "subgoal_steps=2"):
        arguments += ["--policy-args", argument]
    results = run(tmp_path / "run", *arguments)
    assert [(r.outcome, r.steps, r.queries) for r in results] == [("failure", 8 * queries, queries)] * 2
    assert ["plan" in dict(r.artifacts) for r in results] == [variant != "vanilla"] * 2


def test_a_policy_written_for_robotwin_runs_unchanged(tmp_path: Path) -> None:
    folder = tmp_path / "their_policy"
    folder.mkdir()
    (folder / "deploy_policy.py").write_text(DEPLOYED)
    (folder / "deploy_policy.yml").write_text("step: 0.01\n")
    results = run(
        tmp_path / "run", "--episodes", "2", "--policy", f"robotwin-deploy:{folder}", "--set", "protocol.max_steps=7"
    )
    assert [(r.outcome, r.steps, r.queries) for r in results] == [("failure", 7, 7)] * 2


@pytest.mark.slow
def test_the_oracle_solves_what_the_expert_solves_with_any_number_of_workers(tmp_path: Path) -> None:
    records = []
    for workers in (1, 2):
        request = RunRequest(
            suite=load_suite("robotwin-smoke"), policy="robotwin-oracle", tasks="0,4", episodes=1,
            out=tmp_path / str(workers), options=EngineOptions(workers=workers),
        )  # fmt: skip
        outcome = execute(request)
        assert [result.outcome for result in outcome.results] == ["success"] * 2
        records.append([result.reproducible() for result in outcome.results])
    assert records[0] == records[1]
