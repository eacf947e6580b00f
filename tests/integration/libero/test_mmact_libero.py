"""MM-ACT on the real LIBERO through the command line, with tiny random weights: everything but the score is real."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import pytest

from mmact_eval.runs.reading import read_episodes
from mmact_eval.types import EpisodeResult

pytestmark = [
    pytest.mark.libero,
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("torch", "safetensors", "tokenizers")),
        reason="needs the extra mmact",
    ),
]
QUICK = ("plan_steps=2", "plan_tokens=16", "subgoal_steps=2")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def run(
    out: Path, cache: Path, *policy_args: str, options: Sequence[str] = ("--limit", "1")
) -> subprocess.CompletedProcess[str]:
    """One episode of two queries, with its video."""
    command = [sys.executable, "-m", "mmact_eval", "run", "--suite", "libero-long", "--policy", "mmact"]
    command += [*options, "--set", "protocol.max_steps=16", "--video", "all", "--out", str(out)]
    command += [part for argument in (*policy_args, *QUICK) for part in ("--policy-args", argument)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "MMACT_EVAL_CACHE": str(cache)}
    )


@pytest.mark.slow
def test_replicas_answer_as_the_run_itself_would(tmp_path: Path, cache: Path) -> None:
    """One query at a time: in a batch, rounding may decide between two bins."""
    asked = ("checkpoint=mmact-tiny-random", "variant=text-image", "device=cpu")
    more = ("--limit", "3", "--max-batch", "1")
    for name, processes in {"none": (), "two": ("--policy-replicas", "2", "--workers", "2")}.items():
        done = run(tmp_path / name, cache, *asked, options=(*more, *processes))
        assert done.returncode == 0, done.stderr
    found = [
        {episode.key: result.reproducible() for episode, result in read_episodes(tmp_path / name)[0].items()}
        for name in ("none", "two")
    ]
    assert found[0] == found[1]
    assert len(found[0]) == 3
    for plan in (tmp_path / "none" / "plans").rglob("*.png"):
        assert (tmp_path / "two" / plan.relative_to(tmp_path / "none")).read_bytes() == plan.read_bytes()


def said(out: Path, artifacts: dict[str, str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / artifacts["plan"]).read_text().splitlines()]


@pytest.mark.parametrize(
    "variant",
    [
        pytest.param("vanilla", marks=pytest.mark.slow),
        pytest.param("text", marks=pytest.mark.slow),
        pytest.param("image", marks=pytest.mark.slow),
        "text-image",
    ],
)
def test_a_variant_runs_and_what_it_says_is_kept(tmp_path: Path, cache: Path, variant: str) -> None:
    done = run(tmp_path, cache, "checkpoint=mmact-tiny-random", f"variant={variant}")
    assert done.returncode == 0, done.stderr
    name = "mmact-tiny-random" if variant == "vanilla" else f"mmact-tiny-random-{variant}"
    for table in (done.stdout, (tmp_path / "report.md").read_text()):
        assert name in table
        assert "random weights" in table

    (result,) = read_episodes(tmp_path)[0].values()
    assert (result.outcome, result.steps, result.queries) == ("failure", 16, 2)
    artifacts = dict(result.artifacts)
    width = iio.imread(tmp_path / artifacts["video"]).shape[2]
    if variant == "vanilla":
        assert "plan" not in artifacts
        assert width == 256
        return
    (entry,) = said(tmp_path, artifacts)
    assert width == 512  # the panel
    assert (entry["text"] is not None) == ("text" in variant)
    if "image" in variant:
        assert iio.imread(tmp_path / entry["image"]).shape == (256, 256, 3)
        assert 0 < entry["psnr"] < 40
        assert -1 < entry["ssim"] < 1
        assert iio.imread(tmp_path / entry["reached"]).shape == (256, 256, 3)
    else:
        assert "image" not in entry


@pytest.mark.slow
def test_the_same_run_again_gives_the_same_episode(tmp_path: Path, cache: Path) -> None:
    results: list[EpisodeResult] = []
    for name in ("one", "two"):
        done = run(tmp_path / name, cache)
        assert done.returncode == 0, done.stderr
        results += read_episodes(tmp_path / name)[0].values()
    assert results[0].reproducible() == results[1].reproducible()


@pytest.mark.parametrize(
    ("suite", "policy", "name", "episodes"),
    [
        ("libero-object", "mmact", "mmact-nano-text-image", "3"),
        ("libero-spatial", "mmact-nano-spatial", "mmact-nano-spatial-vanilla", "3"),
    ],
)
def test_the_small_checkpoints_that_come_along_solve_tasks(
    tmp_path: Path, suite: str, policy: str, name: str, episodes: str
) -> None:
    command = [sys.executable, "-m", "mmact_eval", "run", "--suite", suite, "--policy", policy]
    command += ["--tasks", "0", "--init-states", "20-49", "--episodes", episodes, "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert name in done.stdout
    assert "Not the real thing" not in done.stdout
    assert "success" in {result.outcome for result in read_episodes(tmp_path)[0].values()}


def test_an_argument_that_makes_no_sense_is_one_line(tmp_path: Path, cache: Path) -> None:
    done = run(tmp_path, cache, "state_mode=joints")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "state_mode must be as_released or eef_axisangle_gripper2" in done.stderr
