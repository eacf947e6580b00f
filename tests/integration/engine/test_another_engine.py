"""An engine that somebody else registers does what the local one does, bit for bit, artifacts included."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sequential_engine
from counted_policies import FORGETFUL

from mmact_eval.config.suite_file import load_suite
from mmact_eval.engine.job_runner import JobRunner
from mmact_eval.engine.jobs import WorkerPlan
from mmact_eval.engine.options import EngineOptions
from mmact_eval.errors import RunAborted, UsageError
from mmact_eval.runs.runner import RunOutcome, RunRequest, execute, execute_together

HELPERS = Path(__file__).parents[2] / "helpers"
TALKING = f"{HELPERS / 'talking_policies.py'}:make"
BROKEN = f"{HELPERS / 'broken_policies.py'}"
ENGINES = ("local", "sequential")
DISTURBED = ("protocol.disturbance={metres: 0.1, first_step: 1, last_step: 9}", "protocol.replan=4")


@pytest.fixture(autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A distribution that registers the engine, as pip would leave it."""
    folder = tmp_path_factory.mktemp("site-packages")
    info = folder / "sequential_engine-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sequential-engine\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[mmact_eval.engines]\nsequential = sequential_engine:SequentialEngine\n")
    monkeypatch.syspath_prepend(folder)
    return folder


def request(out: Path, engine: str, *overrides: str, **changes: Any) -> RunRequest:
    options = EngineOptions(engine=engine)
    base = RunRequest(load_suite("toy", overrides), "random", episodes=3, out=out / engine, options=options)
    return replace(base, **changes)


def files(folder: Path, *parts: str) -> Mapping[str, bytes]:
    found = [file for part in parts for file in (folder / part).rglob("*") if file.is_file()]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in found}


def test_results_and_artifacts_are_the_same_and_no_worker_knows_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[bytes] = []

    def noted(plan: WorkerPlan, number: int) -> JobRunner:
        told.append(pickle.dumps(plan))
        return JobRunner(plan, number)

    monkeypatch.setattr(sequential_engine, "JobRunner", noted)
    results, made = [], []
    for engine in ENGINES:
        done = execute(request(tmp_path, engine, *DISTURBED, policy=TALKING, video="all")).results
        results.append([(result.reproducible(), result.attempts, dict(result.artifacts)) for result in done])
        made.append(files(tmp_path / engine, "videos", "plans", "disturbances"))
    assert results[0] == results[1]
    assert made[0] == made[1]
    assert {name.partition("/")[0] for name in made[0]} == {"videos", "plans", "disturbances"}
    assert any(name.endswith("-reached.png") for name in made[0])
    assert len(told) == 1
    assert str(tmp_path).encode() not in told[0]


def test_episodes_with_stages_are_the_same(tmp_path: Path) -> None:
    found, made = [], []
    for engine in ENGINES:
        asked = request(tmp_path, engine, suite=load_suite("toy-stages"), policy=FORGETFUL, video="all")
        results = execute(asked).results
        assert {result.outcome for result in results} == {"success", "failure"}
        found.append([result.reproducible() for result in results])
        made.append(files(tmp_path / engine, "videos", "plans"))
    assert found[0] == found[1]
    assert made[0] == made[1]


def test_a_recording_is_the_same(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    from mmact_eval.recording.record import RecordOptions, record

    made = []
    for engine in ENGINES:
        asked = request(tmp_path, engine, policy="toy", tasks="easy")
        assert record(asked, tmp_path / engine, RecordOptions(noise=0.1, random_start=3)).episodes == 3
        made.append(files(tmp_path / engine, "run/demonstrations", "data", "videos"))
    assert made[0] == made[1]
    assert sum(name.endswith("frames.parquet") for name in made[0]) == 3


def test_an_accident_is_tried_again_by_a_fresh_worker(tmp_path: Path) -> None:
    done = []
    for engine in ENGINES:
        faults = [
            "env_args.fault=raise",
            "env_args.fault_init_state=2",
            f"env_args.fault_once={tmp_path / engine}-mark",
        ]
        outcome = execute(request(tmp_path, engine, *faults))
        done.append(sorted((result.reproducible(), result.attempts) for result in outcome.results))
        assert outcome.engine.restarts == 1
    assert [attempts for _, attempts in done[0]].count(2) == 1
    assert done[0] == done[1]


def test_several_arms_share_it(tmp_path: Path) -> None:
    found = []
    for engine in ENGINES:
        arms = {str(chunk): {"chunk": chunk} for chunk in (2, 4)}
        asked = {
            name: request(tmp_path / name, engine, policy="toy", policy_args=args, video="all")
            for name, args in arms.items()
        }
        outcomes = execute_together(asked)
        assert all(isinstance(outcome, RunOutcome) for outcome in outcomes.values())
        found.append([files(request.out, "videos") for request in asked.values() if request.out])
    assert found[0] == found[1]
    assert [len(videos) for videos in found[0]] == [6, 6]


def test_errors_are_errors_and_end_a_run_as_ever(tmp_path: Path) -> None:
    told = []
    for engine in ENGINES:
        results = execute(request(tmp_path, engine, policy=f"{BROKEN}:raises")).results
        told.append([(result.outcome, result.error_kind, result.error, result.attempts) for result in results])
    assert told[0] == told[1]
    assert [(kind, attempts) for outcome, kind, _, attempts in told[0] if outcome == "error"] == [("policy", 2)] * 2
    with pytest.raises(RunAborted, match="returned None"):
        execute(request(tmp_path / "contract", "sequential", policy=f"{BROKEN}:nothing"))


def test_a_run_goes_on_with_another_engine(tmp_path: Path) -> None:
    whole = execute(request(tmp_path / "whole", "local"))
    asked = request(tmp_path, "local", limit=2)
    assert len(execute(asked).results) == 2
    outcome = execute(replace(asked, limit=None, options=EngineOptions(engine="sequential")))
    assert [r.reproducible() for r in outcome.results] == [r.reproducible() for r in whole.results]


def test_artifacts_that_cannot_be_unpacked_are_missed_and_the_results_kept(tmp_path: Path) -> None:
    (tmp_path / "sequential").mkdir()
    (tmp_path / "sequential" / "videos").touch()  # where a folder should be
    outcome = execute(request(tmp_path, "sequential", tasks="easy", policy=TALKING, video="all"))
    assert [result.outcome for result in outcome.results] == ["failure"] * 3
    for result in outcome.results:
        assert "videos" in result.artifacts["video_error"]
        assert "video" not in result.artifacts
    assert outcome.videos_missing == 3


def test_the_command_line_knows_it_and_says_what_was_meant(tmp_path: Path, installed: Path) -> None:
    env = {**os.environ, "PYTHONPATH": f"{installed}:{HELPERS / 'engines'}"}

    def mmact_eval(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "mmact_eval", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=env, cwd=tmp_path)

    listed = mmact_eval("list", "engines").stdout
    found = [line.split()[:2] for line in listed.splitlines()[1:] if not line.startswith("ray ")]
    assert found == [["local", "ready"], ["sequential", "ready"]]
    run = ["run", "--suite", "toy", "--policy", "random", "--episodes", "1", "--out", "run"]
    ended = mmact_eval(*run, "--engine", "sequentiel")
    assert ended.returncode == 2
    assert 'unknown engine "sequentiel". Did you mean "sequential"?' in ended.stderr
    assert not (tmp_path / "run").exists()
    assert mmact_eval(*run, "--engine", "sequential").returncode == 0


def test_runs_that_share_an_engine_must_ask_for_the_same_of_it(tmp_path: Path) -> None:
    one = request(tmp_path / "one", "local")
    other = request(tmp_path / "other", "local", options=EngineOptions(workers=3, retries=0))
    with pytest.raises(UsageError, match=r'"a" and "b" differ in workers \(1 and 3\), retries \(1 and 0\)'):
        execute_together({"a": one, "b": other})
    assert not list(tmp_path.iterdir())
