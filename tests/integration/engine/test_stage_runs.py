"""Episodes with stages on the engine: a policy is told once where each begins, and results are the same however run."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from counted_policies import CANNOT_FORGET, FAILS_ONCE, FORGETFUL

from mmact_eval.config.suite_file import load_suite
from mmact_eval.derived.export import export
from mmact_eval.engine.options import EngineOptions
from mmact_eval.errors import UsageError
from mmact_eval.runs.reading import read_episodes
from mmact_eval.runs.runner import RunRequest, execute, execute_together
from mmact_eval.types import EpisodeResult

Signature = dict[str, tuple[object, ...]]


def request(out: Path, policy: str = FORGETFUL, *overrides: str, **changes: Any) -> RunRequest:
    base = RunRequest(suite=load_suite("toy-stages", overrides), policy=policy, episodes=4, out=out)
    return replace(base, **changes)


def reproducible(results: Sequence[EpisodeResult]) -> Signature:
    return {result.episode.key: result.reproducible() for result in results}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Signature:
    results = execute(request(tmp_path_factory.mktemp("one-worker"))).results
    assert {result.outcome for result in results} == {"success", "failure"}
    solved = [result for result in results if result.outcome == "success"]
    assert all(result.stages_solved == len(result.stages) == 4 for result in solved)
    failed = [result for result in results if result.outcome == "failure"]
    for result in failed:
        assert [stage.success for stage in result.stages] == [True] * result.stages_solved + [False]
        assert result.stages[-1].steps == 60
    assert all(sum(stage.steps for stage in result.stages) == result.steps for result in results)
    return reproducible(results)


@pytest.mark.parametrize(
    "changes",
    [
        {"options": EngineOptions(workers=2)},
        {"options": EngineOptions(workers=4, max_batch=3, cached_envs=2), "shuffle": 5},
        {"options": EngineOptions(workers=3, max_batch=1), "video": "all"},
    ],
    ids=["two workers", "four workers, shuffled", "three workers, unbatched, filmed"],
)
def test_results_do_not_depend_on_how_the_run_is_executed(
    tmp_path: Path, expected: Signature, changes: dict[str, Any]
) -> None:
    assert reproducible(execute(request(tmp_path, **changes)).results) == expected


def test_a_run_that_was_killed_goes_on_to_the_same_results(tmp_path: Path, expected: Signature) -> None:
    command = [sys.executable, "-m", "mmact_eval", "run", "--suite", "toy-stages", "--policy", FORGETFUL]
    command += ["--episodes", "4", "--out", str(tmp_path), "--workers", "2", "--set", "env_args.step_seconds=0.005"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lines, deadline = tmp_path / "episodes.jsonl", time.monotonic() + 60
    while not lines.exists() or len(lines.read_text().splitlines()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert len(read_episodes(tmp_path)[0]) < 8
    assert subprocess.run(command, capture_output=True).returncode == 0
    assert reproducible(list(read_episodes(tmp_path)[0].values())) == expected


def test_an_episode_that_broke_at_a_stage_begins_again(tmp_path: Path, expected: Signature) -> None:
    options = EngineOptions(workers=2, max_batch=1, retries=1)
    results = execute(request(tmp_path, FAILS_ONCE, options=options)).results
    assert {result.attempts for result in results if result.stages_solved} == {2}
    assert reproducible(results) == expected


def test_a_reset_that_raises_at_a_stage_is_the_policys_error_of_its_episode_alone(tmp_path: Path) -> None:
    options = EngineOptions(workers=2, retries=0)
    results = execute(request(tmp_path, CANNOT_FORGET, options=options, tasks="easy")).results
    by_start = {result.episode.init_state: result for result in results}
    assert by_start[0].outcome == "success"
    for start in (1, 2, 3):
        assert by_start[start].error_kind == "policy"
        assert by_start[start].error == "ValueError in the policy's reset: what was it?"
        assert [stage.success for stage in by_start[start].stages] == [True]


def test_arms_that_share_a_policy_and_workers_do_as_alone(tmp_path: Path, expected: Signature) -> None:
    arms = {"a": request(tmp_path / "a"), "b": request(tmp_path / "b", FORGETFUL, "protocol.max_steps=100")}
    together = execute_together({k: replace(arm, options=EngineOptions(workers=2)) for k, arm in arms.items()})
    alone = execute(replace(arms["b"], out=tmp_path / "alone"))
    assert reproducible(together["a"].results) == expected  # type: ignore[union-attr]
    assert reproducible(together["b"].results) == reproducible(alone.results)  # type: ignore[union-attr]


def test_what_is_exported_still_has_its_stages(tmp_path: Path, expected: Signature) -> None:
    execute(request(tmp_path / "run"))
    export(tmp_path / "run", tmp_path / "small")
    assert reproducible(list(read_episodes(tmp_path / "small")[0].values())) == expected


def test_an_episode_that_has_no_more_steps_leaves_its_last_stage_unsolved(tmp_path: Path) -> None:
    short = request(tmp_path, "toy", "protocol.max_steps=10", tasks="easy", episodes=2)
    for result in execute(short).results:
        assert (result.outcome, result.steps) == ("failure", 10)
        assert sum(stage.steps for stage in result.stages) == 10
        assert not result.stages[-1].success


@pytest.mark.parametrize(
    ("suite", "override", "told"),
    [
        ("toy", "protocol.stages=9", r"protocol\.stages: 9 are asked for, and environment toy gives at most 5"),
        ("libero-object", "protocol.stages=2", r"protocol\.stages: 2 are .* libero gives one instruction an episode"),
        ("libero-object", "protocol.stage_steps=9", r"protocol\.stage_steps: episodes of environment libero have no"),
    ],
)
def test_stages_that_an_environment_does_not_have_are_refused(
    tmp_path: Path, suite: str, override: str, told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        execute(RunRequest(suite=load_suite(suite, [override]), policy="random", episodes=1, out=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_one_stage_has_its_own_limit_where_there_could_be_several(tmp_path: Path) -> None:
    suite = load_suite("toy", ["protocol.stage_steps=2"])
    results = execute(RunRequest(suite=suite, policy="toy", tasks="easy", episodes=2, out=tmp_path)).results
    assert [(result.outcome, result.steps) for result in results] == [("failure", 2)] * 2
