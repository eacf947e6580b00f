"""Whole runs on the real RoboTwin in its embedded mode: the oracle, MM-ACT with tiny weights, a deployed policy."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import imageio.v3 as iio
import pytest
from robotwin_ready import TASK, suite_with_seeds, what_is_missing

from mmact_eval.config.suite_file import load_suite
from mmact_eval.engine.options import EngineOptions
from mmact_eval.runs.reading import read_episodes, read_sessions
from mmact_eval.runs.runner import RunRequest, execute
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

TROUBLE = """
import os, signal
from pathlib import Path

import numpy as np

from mmact_eval import PolicyOutput, PolicySpec


def simulators(parent):
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if int(entry.joinpath("stat").read_text().rpartition(")")[2].split()[1]) != parent:
                continue
            command = entry.joinpath("cmdline").read_bytes()
        except OSError:
            continue
        if b"mmact_robotwin_simulator" in command:
            yield int(entry.name)
        yield from simulators(int(entry.name))


class Trouble:
    def __init__(self, env_spec, send):
        self.spec = PolicySpec("trouble", env_spec.action, chunk=3, state=("joint_action",))
        self._signal, self._sent = getattr(signal, send), 0

    def reset(self, episodes): pass

    def act(self, queries):
        if queries[0].index == 1 and not self._sent:
            for pid in simulators(os.getpid()):
                os.kill(pid, self._signal)
                self._sent += 1
            assert self._sent == 1
        return [PolicyOutput(np.tile(q.observation.state["joint_action"], (3, 1)).astype(np.float32)) for q in queries]
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
    assert read_sessions(tmp_path / "run")[0].prepared["vulkan"], "which driver drew the pictures is on record"


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
    arguments += ["--set", f"protocol.max_steps={8 * queries}", "--video", "all"]
    for argument in (f"variant={variant}", "plan_steps=2", "plan_tokens=16", "subgoal_steps=2"):
        arguments += ["--policy-args", argument]
    results = run(tmp_path / "run", *arguments)
    assert [(r.outcome, r.steps, r.queries) for r in results] == [("failure", 8 * queries, queries)] * 2
    assert ["plan" in dict(r.artifacts) for r in results] == [variant != "vanilla"] * 2
    picture = iio.imread(tmp_path / "run" / results[0].artifacts["video"])[-1]
    assert picture.shape[1] > 320 if variant != "vanilla" else picture.shape == (240, 320, 3)
    assert picture.std() > 10, "a picture of something"


def test_a_policy_written_for_robotwin_runs_unchanged(tmp_path: Path) -> None:
    folder = tmp_path / "their_policy"
    folder.mkdir()
    (folder / "deploy_policy.py").write_text(DEPLOYED)
    (folder / "deploy_policy.yml").write_text("step: 0.01\n")
    results = run(
        tmp_path / "run", "--episodes", "2", "--policy", f"robotwin-deploy:{folder}", "--set", "protocol.max_steps=7"
    )
    assert [(r.outcome, r.steps, r.queries) for r in results] == [("failure", 7, 7)] * 2


@pytest.mark.parametrize("sent", ["SIGKILL", pytest.param("SIGSTOP", marks=pytest.mark.slow)])
def test_a_simulator_that_crashes_or_hangs_costs_a_retry(tmp_path: Path, sent: str) -> None:
    (tmp_path / "trouble.py").write_text(TROUBLE)
    arguments = ["--episodes", "2", "--policy", "trouble.py:Trouble", "--policy-args", f"send={sent}"]
    arguments += [
        "--set",
        "protocol.max_steps=6",
        "--set",
        f"protocol.episode_timeout={60 if sent == 'SIGSTOP' else 600}",
    ]
    results = run(tmp_path / "run", *arguments)
    assert [(r.outcome, r.steps) for r in results] == [("failure", 6)] * 2
    assert sorted(r.attempts for r in results) == [1, 2]


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
