"""Videos of runs: whole or not there, never mixed up, and made later where they are missing."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import imageio_ffmpeg
import pytest

from mmact_eval.config.suite_file import load_suite
from mmact_eval.errors import RunAborted, UsageError
from mmact_eval.observers.artifacts import FolderArtifacts
from mmact_eval.observers.video import VideoRecorder, wanted
from mmact_eval.recording.record import RecordOptions, record
from mmact_eval.results.reporting import read_report
from mmact_eval.runs.reading import read_episodes
from mmact_eval.runs.runner import RunOutcome, RunRequest, execute

REAL = imageio_ffmpeg.get_ffmpeg_exe()

UNREPEATABLE = """
import numpy as np
from mmact_eval.types import PolicyOutput
from mmact_eval import PolicySpec

class Policy:
    def __init__(self, env_spec):
        self.spec = PolicySpec(name="whim", action=env_spec.action, chunk=4)
    def reset(self, episodes): pass
    def act(self, queries):
        return [PolicyOutput(np.random.default_rng().uniform(-1, 1, (4, 2)).astype(np.float32)) for _ in queries]
"""


def request(out: Path, **changes: Any) -> RunRequest:
    return replace(RunRequest(suite=load_suite("toy", ()), policy="random", episodes=3, out=out), **changes)


def run(out: Path, **changes: Any) -> RunOutcome:
    return execute(request(out, **changes))


def break_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: str) -> None:
    """Whatever writes these files is killed before it writes their index."""
    broken = tmp_path / "ffmpeg"
    broken.write_text(
        f'#!/bin/bash\ncase "${{@: -1}}" in {files}) cat > "${{@: -1}}"; kill -9 $$;; esac\nexec {REAL} "$@"\n'
    )
    broken.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(broken))


def test_videos_asked_for_afterwards_are_made_and_results_stay(tmp_path: Path) -> None:
    run(tmp_path / "run")
    before = read_episodes(tmp_path / "run")[0].values()
    after = run(tmp_path / "run", video="all")
    assert after.videos_missing == 0
    assert [replace(result, artifacts={}) for result in after.results] == list(before)
    for result in after.results:
        assert len(iio.imread(tmp_path / "run" / result.artifacts["video"])) > result.steps / 5
    (arm,) = read_report([tmp_path / "run"]).runs
    assert not [warning for warning in arm.summary.warnings if "twice" in warning]
    lines = (tmp_path / "run" / "episodes.jsonl").read_text()
    assert list(run(tmp_path / "run", video="all").results) == list(after.results)
    assert (tmp_path / "run" / "episodes.jsonl").read_text() == lines


def test_of_failures_only_those_without_a_video_are_rolled_out_again(tmp_path: Path) -> None:
    run(tmp_path / "run", policy="toy", episodes=2)
    outcome = run(tmp_path / "run", policy="toy", episodes=2, video="failures")
    assert [result.outcome for result in outcome.results] == ["success"] * 4
    assert outcome.videos_missing == 0
    assert not (tmp_path / "run" / "videos").exists()


def test_a_deleted_video_is_made_again(tmp_path: Path) -> None:
    first = run(tmp_path / "run", video="all").results[0]
    film = tmp_path / "run" / first.artifacts["video"]
    content = film.read_bytes()
    film.unlink()
    run(tmp_path / "run", video="all")
    assert film.read_bytes() == content


def test_a_video_that_failed_is_counted_and_made_by_the_same_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [sys.executable, "-m", "mmact_eval", "run", "--suite", "toy", "--policy", "random", "--episodes", "3"]
    asked += ["--video", "all", "--out", str(tmp_path / "run")]
    with monkeypatch.context() as broken:
        break_encoder(tmp_path, broken, "*init01*")
        first = subprocess.run(asked, capture_output=True, text=True)
    assert first.returncode == 1
    assert "videos that were asked for and are missing: 2 (FFmpeg was ended by SIGKILL" in first.stderr
    results = read_episodes(tmp_path / "run")[0].values()
    assert len([result for result in results if "video" in result.artifacts]) == 4
    assert not list((tmp_path / "run" / "videos").rglob("*init01*"))
    assert subprocess.run(asked, capture_output=True).returncode == 0
    for result in read_episodes(tmp_path / "run")[0].values():
        assert len(iio.imread(tmp_path / "run" / result.artifacts["video"])) > 1


def test_a_damaged_video_never_gets_into_a_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = RunRequest(suite=load_suite("toy", ()), policy="toy", episodes=2, tasks="easy")
    with monkeypatch.context() as broken:
        break_encoder(tmp_path, broken, "*/top.mp4")
        with pytest.raises(RunAborted, match="demonstration of toy/easy/init0/seed0 could not be written: FFmpeg"):
            record(asked, tmp_path / "data", RecordOptions())
    assert not (tmp_path / "data" / "meta").exists()
    outcome = record(asked, tmp_path / "data", RecordOptions())
    assert (outcome.episodes, outcome.added) == (2, 2)


def test_without_an_encoder_nothing_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/nowhere/ffmpeg")
    with pytest.raises(UsageError, match="videos cannot be made: /nowhere/ffmpeg cannot be run"):
        run(tmp_path / "run", video="all")
    with pytest.raises(UsageError, match="record with --images png"):
        record(RunRequest(suite=load_suite("toy", ()), policy="toy"), tmp_path / "data", RecordOptions())
    assert not (tmp_path / "run").exists()


def test_a_policy_that_does_not_repeat_itself_keeps_its_results_and_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "whim.py").write_text(UNREPEATABLE)
    policy = f"{tmp_path / 'whim.py'}:Policy"
    run(tmp_path / "run", policy=policy, tasks="hard")
    before = list(read_episodes(tmp_path / "run")[0].values())
    after = run(tmp_path / "run", policy=policy, tasks="hard", video="all")
    assert list(after.results) == before
    assert after.videos_missing == 3
    assert any("went another way" in warning for warning in after.warnings)
    assert not list((tmp_path / "run").rglob("*.mp4"))


def test_what_else_an_episode_left_is_not_written_again(tmp_path: Path) -> None:
    talking = f"{Path(__file__).parents[2] / 'helpers' / 'talking_policies.py'}:make"
    first = run(tmp_path / "run", policy=talking, episodes=1).results
    plans = [tmp_path / "run" / result.artifacts["plan"] for result in first]
    for plan in plans:
        plan.write_text(json.dumps({"query": 0, "step": 0, "text": "as it was"}) + "\n")
    outcome = run(tmp_path / "run", policy=talking, episodes=1, video="all")
    assert all("as it was" in plan.read_text() for plan in plans)
    assert all({"plan", "video"} <= set(result.artifacts) for result in outcome.results)


def test_the_recorder_agrees_on_what_is_wanted(tmp_path: Path) -> None:
    results = run(tmp_path / "run").results
    assert [wanted("all", result) for result in results] == [True] * 6
    assert [wanted("failures", result) for result in results] == [result.outcome != "success" for result in results]
    assert not any(
        wanted("none", result) or VideoRecorder(FolderArtifacts(tmp_path), "all").on_end(result) for result in results
    )
