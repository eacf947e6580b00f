"""Runs of calvin-smoke: the same results however they are executed; what a run says about assets and scenes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import calvin_ready
import pytest

from mmact_eval.engine.options import EngineOptions
from mmact_eval.runs.reading import read_episodes
from mmact_eval.runs.runner import RunRequest, execute
from mmact_eval.types import EpisodeResult

pytestmark = calvin_ready.needs_pybullet

SHORT = "protocol.stage_steps=25"


def request(out: Path, **changes: Any) -> RunRequest:
    suite = calvin_ready.suite("calvin-smoke", SHORT)
    return replace(RunRequest(suite=suite, policy="random", episodes=6, out=out), **changes)


def reproducible(results: Sequence[EpisodeResult]) -> dict[str, tuple[object, ...]]:
    return {result.episode.key: result.reproducible() for result in results}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[object, ...]]:
    outcome = execute(request(tmp_path_factory.mktemp("one-worker")))
    assert {result.outcome for result in outcome.results} == {"failure"}
    assert all(len(result.stages) == 1 and result.stages[0].steps == 25 for result in outcome.results)
    return reproducible(outcome.results)


@pytest.mark.parametrize(
    "changes",
    [
        {"options": EngineOptions(workers=2), "shuffle": 5},
        {"options": EngineOptions(workers=4), "shuffle": 3},
        {"options": EngineOptions(workers=2), "video": "all"},
    ],
    ids=["two workers, shuffled", "four workers, shuffled", "filmed"],
)
def test_results_do_not_depend_on_how_the_run_is_executed(
    tmp_path: Path, expected: dict[str, tuple[object, ...]], changes: dict[str, Any]
) -> None:
    assert reproducible(execute(request(tmp_path, **changes)).results) == expected


def test_a_killed_run_is_continued_to_the_same_results(tmp_path: Path, expected: dict[str, tuple[object, ...]]) -> None:
    command = [sys.executable, "-m", "mmact_eval", "run", "--suite", "calvin-smoke", "--policy", "random"]
    command += ["--episodes", "6", "--out", str(tmp_path), "--set", SHORT]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lines, deadline = tmp_path / "episodes.jsonl", time.monotonic() + 60
    while not (lines.exists() and lines.read_text().count("\n") >= 2):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert reproducible(list(read_episodes(tmp_path)[0].values())) == expected
    assert len(lines.read_text().splitlines()) == 6


def test_a_run_is_bound_to_the_assets_it_was_made_with(tmp_path: Path) -> None:
    outcome = execute(request(tmp_path, episodes=1))
    versions = json.loads((outcome.folder / "manifest.json").read_text())["fingerprint"]["versions"]
    assert versions["CALVIN assets"].startswith("stand-in ")
    assert len(versions["CALVIN chains"]) == 32
    assert set(versions) == {"mmact-eval", "pybullet", "CALVIN assets", "CALVIN chains"}
