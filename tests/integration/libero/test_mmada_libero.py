"""MMaDA-VLA on the real LIBERO through the command line, with tiny random weights: everything but the score is real."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import imageio.v3 as iio
import pytest

from mmact_eval.runs.reading import read_episodes

pytestmark = [
    pytest.mark.libero,
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("torch", "safetensors", "tokenizers")),
        reason="needs the extra mmact",
    ),
]


def run(
    out: Path, cache: Path, *arguments: str, checkpoint: str | Path = "mmada-vla-tiny-random"
) -> subprocess.CompletedProcess[str]:
    """Episodes of two queries, with few steps of decoding."""
    command = [sys.executable, "-m", "mmact_eval", "run", "--suite", "libero-long", "--policy", "mmada-vla"]
    command += ["--set", "protocol.max_steps=10", "--policy-args", f"checkpoint={checkpoint}"]
    command += ["--policy-args", "steps=2", *arguments, "--out", str(out)]
    environment = {**os.environ, "MMACT_EVAL_CACHE": str(cache)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def test_it_runs_and_its_goals_are_kept_shown_and_scored(tmp_path: Path, cache: Path) -> None:
    arguments = ("--policy-args", "goal=1", "--policy-args", "instruction=as_trained")
    done = run(tmp_path, cache, "--limit", "1", "--video", "all", *arguments)
    assert done.returncode == 0, done.stderr
    for table in (done.stdout, (tmp_path / "report.md").read_text()):
        assert "mmada-vla-tiny-random" in table
        assert "random weights" in table
    (result,) = read_episodes(tmp_path)[0].values()
    assert (result.outcome, result.steps, result.queries) == ("failure", 10, 2)
    assert iio.imread(tmp_path / result.artifacts["video"]).shape[2] == 512  # with the panel
    said = [json.loads(line) for line in (tmp_path / result.artifacts["plan"]).read_text().splitlines()]
    assert [entry["step"] for entry in said] == [0, 5]
    for entry in said:
        assert iio.imread(tmp_path / entry["image"]).shape == (256, 256, 3)
        assert iio.imread(tmp_path / entry["reached"]).shape == (256, 256, 3)
        assert 0 < entry["psnr"] < 40


def test_a_state_in_bins_is_read_where_the_checkpoint_has_its_ranges(tmp_path: Path, cache: Path) -> None:
    from mmact_eval.policies.mmada_vla.new_checkpoint import write_checkpoint

    write_checkpoint(tmp_path / "tiny", "tiny")
    file = tmp_path / "tiny" / "model" / "config.json"
    written = json.loads(file.read_text())
    courses = {}
    for name, told in {"text": {}, "bins": {"state": "bins", "state_ranges": [[-1.0, 1.0]] * 8}}.items():
        file.write_text(json.dumps(written | told))
        out = tmp_path / name
        done = run(out, cache, "--limit", "1", "--policy-args", "goal=0", checkpoint=tmp_path / "tiny")
        assert done.returncode == 0, done.stderr
        (courses[name],) = read_episodes(out)[0].values()
        assert courses[name].outcome == "failure"
    assert courses["text"].final_hash != courses["bins"].final_hash


@pytest.mark.slow
def test_pictures_and_batches_change_no_episode(tmp_path: Path, cache: Path) -> None:
    ways = {
        "alone": ("--max-batch", "1", "--policy-args", "goal=0"),
        "together": ("--max-batch", "3", "--workers", "3"),
    }
    results = []
    for name, arguments in ways.items():
        done = run(tmp_path / name, cache, "--limit", "3", *arguments)
        assert done.returncode == 0, done.stderr
        results.append(sorted(found.course() for found in read_episodes(tmp_path / name)[0].values()))
    assert results[0] == results[1]


def test_an_argument_that_makes_no_sense_is_one_line(tmp_path: Path, cache: Path) -> None:
    done = run(tmp_path, cache, "--policy-args", "attention=causal")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "attention must be full or hybrid, got 'causal'" in done.stderr
