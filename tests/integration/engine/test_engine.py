"""The engine on the toy environment: the same results however a run is executed, and nothing lost when things break."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmact_eval.config.suite_file import load_suite
from mmact_eval.engine.options import EngineOptions
from mmact_eval.errors import PolicyContractError, RunAborted, RunFolderError
from mmact_eval.runs.reading import read_episodes
from mmact_eval.runs.runner import RunOutcome, RunRequest, execute
from mmact_eval.types import EpisodeResult

POLICIES = Path(__file__).parents[2] / "helpers" / "broken_policies.py"


def request(out: Path, *overrides: str, **changes: Any) -> RunRequest:
    base = RunRequest(suite=load_suite("toy", overrides), policy="random", episodes=4, out=out)
    return replace(base, **changes)


def reproducible(results: Sequence[EpisodeResult]) -> dict[str, tuple[object, ...]]:
    return {result.episode.key: result.reproducible() for result in results}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[object, ...]]:
    outcome = execute(request(tmp_path_factory.mktemp("one-worker")))
    assert len(outcome.results) == 8
    return reproducible(outcome.results)


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
    tmp_path: Path, expected: dict[str, tuple[object, ...]], changes: dict[str, Any]
) -> None:
    assert reproducible(execute(request(tmp_path, **changes)).results) == expected


def test_a_limited_run_is_continued_to_the_same_results(
    tmp_path: Path, expected: dict[str, tuple[object, ...]]
) -> None:
    assert len(execute(request(tmp_path, limit=3)).results) == 3
    assert reproducible(execute(request(tmp_path)).results) == expected
    assert len((tmp_path / "episodes.jsonl").read_text().splitlines()) == 8  # nothing was run twice


def _signature(path: Path) -> dict[str, tuple[object, ...]]:
    return reproducible(list(read_episodes(path)[0].values()))


@pytest.mark.parametrize("victim", ["parent", "worker"])
def test_results_survive_kill_minus_nine(tmp_path: Path, expected: dict[str, tuple[object, ...]], victim: str) -> None:
    command = [sys.executable, "-m", "mmact_eval", "run", "--suite", "toy", "--policy", "random", "--episodes", "4"]
    command += ["--out", str(tmp_path), "--workers", "2", "--set", "env_args.step_seconds=0.02"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _wait_for_lines(tmp_path / "episodes.jsonl", 2)
    children = _children(process.pid)
    if victim == "parent":
        process.kill()
        process.wait()
        assert len(_signature(tmp_path)) < 8
        _wait_until_gone(children)  # workers do not outlive their engine
        assert subprocess.run(command, capture_output=True).returncode == 0
    else:
        os.kill(children[-1], signal.SIGKILL)
        assert process.wait(timeout=60) == 0
    assert _signature(tmp_path) == expected


def _wait_for_lines(file: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while not file.exists() or len(file.read_text().splitlines()) < count:
        assert time.monotonic() < deadline, "no episode finished"
        time.sleep(0.02)


def _children(pid: int) -> list[int]:
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                stat = (process / "stat").read_text().rpartition(")")[2].split()
                line = (process / "cmdline").read_text()
            except OSError:
                continue
            if int(stat[1]) == pid and "mmact_eval.engine.local.worker" in line:
                found.append(int(process.name))
    assert found
    return found


def _wait_until_gone(pids: Sequence[int]) -> None:
    deadline = time.monotonic() + 10
    while any(_alive(pid) for pid in pids):
        assert time.monotonic() < deadline, "a worker outlives its engine"
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("fault", "kind"), [("raise", "environment"), ("nan_state", "environment"), ("crash", "crash"), ("hang", "timeout")]
)
def test_an_environment_that_breaks_costs_its_episode_and_no_other(tmp_path: Path, fault: str, kind: str) -> None:
    outcome = execute(
        request(tmp_path, f"env_args.fault={fault}", "env_args.fault_init_state=1", "protocol.episode_timeout=3")
    )
    errors = [result for result in outcome.results if result.outcome == "error"]
    assert [(r.episode.init_state, r.error_kind, r.attempts) for r in errors] == [(1, kind, 2), (1, kind, 2)]
    assert len(outcome.results) == 8


@pytest.mark.parametrize("fault", ["raise", "crash"])
def test_an_accident_is_tried_again_with_the_same_result(
    tmp_path: Path, expected: dict[str, tuple[object, ...]], fault: str
) -> None:
    overrides = [f"env_args.fault={fault}", "env_args.fault_init_state=2", f"env_args.fault_once={tmp_path / 'mark'}"]
    outcome = execute(request(tmp_path / "run", *overrides))
    assert reproducible(outcome.results) == expected
    assert sorted(result.attempts for result in outcome.results) == [1] * 7 + [2]


def test_errors_are_tried_again_by_the_same_command(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    broken = request(
        tmp_path / "run",
        "env_args.fault=raise",
        f"env_args.fault_once={mark}",
        tasks="easy",
        options=EngineOptions(retries=0),
    )
    first = execute(broken)
    assert [result.outcome == "error" for result in first.results] == [True, False, False, False]
    assert all(result.outcome != "error" for result in execute(broken).results)


def run_broken(out: Path, attribute: str, **changes: Any) -> RunOutcome:
    return execute(request(out, policy=f"{POLICIES}:{attribute}", **changes))


@pytest.mark.parametrize(
    ("attribute", "says"),
    [
        ("wrong_width", r"shape \(1, 3\); expected \(T, 2\)"),
        ("empty_chunk", "empty chunk"),
        ("flat", r"shape \(2,\)"),
        ("too_few_outputs", "0 outputs for 1 queries"),
        ("no_output", "returned NoneType"),
        ("words", "must be numbers"),
        ("one_output", "returned a single PolicyOutput"),
        ("a_dictionary", "returned a value of type dict"),
        ("nothing", "returned None"),
        ("an_array", "returned a value of type ndarray"),
        ("a_generator", "returned a value of type generator"),
        ("asynchronous", "`act` is asynchronous"),
    ],
)
def test_a_policy_that_breaks_its_contract_stops_the_run(tmp_path: Path, attribute: str, says: str) -> None:
    with pytest.raises(RunAborted, match=says):
        run_broken(tmp_path, attribute)
    assert [(result.error_kind, result.attempts) for result in read_episodes(tmp_path)[0].values()] == [("contract", 1)]


def test_a_reset_that_nobody_waits_for_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(PolicyContractError, match="`reset` is asynchronous"):
        run_broken(tmp_path, "asynchronous_reset")


@pytest.mark.parametrize(("attribute", "says"), [("nan", "nan at position 1"), ("infinite", "inf at position 0")])
def test_an_action_that_is_no_number_is_an_error_and_never_a_failure(tmp_path: Path, attribute: str, says: str) -> None:
    outcome = run_broken(tmp_path, attribute)
    errors = [result for result in outcome.results if result.outcome == "error"]
    assert {result.episode.init_state for result in errors} == {1}
    assert all(says in result.error for result in errors)
    assert len(outcome.results) == 8


def test_a_policy_that_raises_costs_the_episodes_it_raises_for(tmp_path: Path) -> None:
    outcome = run_broken(tmp_path, "raises", options=EngineOptions(workers=4))
    errors = [result for result in outcome.results if result.outcome == "error"]
    assert {result.episode.init_state for result in errors} == {1}
    assert all("RuntimeError: out of memory, say" in result.error for result in errors)


def test_a_policy_that_always_raises_stops_the_run_early(tmp_path: Path) -> None:
    with pytest.raises(RunAborted, match="none went well"):
        run_broken(tmp_path, "always_raises", episodes=20)
    assert len(read_episodes(tmp_path)[0]) == 10


def test_a_task_that_always_fails_does_not_cost_the_others(tmp_path: Path) -> None:
    first = run_broken(tmp_path, "raises_for_easy", episodes=6, options=EngineOptions(retries=0))
    assert first.engine.given_up == {"easy": 1}
    assert sum(result.outcome != "error" for result in first.results) == 6


def test_a_policy_whose_reset_fails_costs_its_episode_and_no_other(tmp_path: Path) -> None:
    outcome = run_broken(tmp_path, "reset_fails", tasks="easy", episodes=2)
    assert [(r.outcome, r.attempts) for r in outcome.results] == [("error", 2), ("failure", 1)]
    assert "no weights" in outcome.results[0].error


def test_the_policys_time_is_not_the_environments(tmp_path: Path) -> None:
    outcome = execute(
        request(
            tmp_path,
            "protocol.episode_timeout=1",
            "protocol.max_steps=2",
            policy=f"{POLICIES}:very_slow",
            episodes=1,
            options=EngineOptions(workers=2),
        )
    )
    assert [result.outcome for result in outcome.results] == ["failure", "failure"]


def test_a_policys_own_error_handling_does_not_swallow_the_time_limit(tmp_path: Path) -> None:
    with pytest.raises(RunAborted, match="--policy-timeout"):
        run_broken(tmp_path, "swallows", options=EngineOptions(policy_timeout=0.5))


def test_sigterm_while_the_policy_computes_stops_the_run_and_the_same_command_goes_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mmact_eval", "run", "--suite", "toy", "--policy", f"{POLICIES}:very_slow"]
    command += ["--tasks", "easy", "--episodes", "2", "--out", str(tmp_path), "--set", "protocol.max_steps=1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    _wait_for_lines(tmp_path / "episodes.jsonl", 1)
    time.sleep(0.5)  # the policy sleeps for its next answer
    process.terminate()
    _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "same command" in said
    assert len(read_episodes(tmp_path)[0]) == 1
    assert subprocess.run(command, capture_output=True).returncode == 0
    assert [result.attempts for result in read_episodes(tmp_path)[0].values()] == [1, 1]


def test_an_edited_policy_is_another_policy(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(POLICIES.read_text())
    execute(request(tmp_path / "run", policy=f"{file}:zeros", limit=1))
    file.write_text(POLICIES.read_text() + "\n# edited\n")
    with pytest.raises(RunFolderError, match=r"policy\.code\.mine\.py"):
        execute(request(tmp_path / "run", policy=f"{file}:zeros"))


def test_answers_leave_the_policy_as_plain_data(tmp_path: Path) -> None:
    outcome = run_broken(tmp_path, "exotic", episodes=1)
    assert all(result.outcome == "failure" for result in outcome.results)


def test_a_configuration_file_holds_the_options_as_they_are_typed(tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text(
        f"suite: toy\npolicy: random\npolicy-args: {{chunk: 4}}\nepisodes: 1\nout: {tmp_path / 'run'}\n"
        "set: {protocol.max_steps: 5}\n"
    )
    command = [sys.executable, "-m", "mmact_eval", "run", "--config", str(config), "--tasks", "easy"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["protocol"]["max_steps"] == 5
    assert manifest["policy"]["args"] == {"chunk": 4}
    config.write_text("suit: toy\n")
    wrong = subprocess.run(command, capture_output=True, text=True)
    assert wrong.returncode == 2
    assert 'Did you mean "suite"' in wrong.stderr


def test_a_policy_that_hangs_stops_the_run_and_keeps_what_is_done(tmp_path: Path) -> None:
    with pytest.raises(RunAborted, match="--policy-timeout"):
        run_broken(tmp_path, "hangs", tasks="easy", options=EngineOptions(policy_timeout=0.5))
    assert len(read_episodes(tmp_path)[0]) == 2


def test_a_disk_that_fills_up_keeps_what_is_done(tmp_path: Path) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24k", "tmpfs", mount], capture_output=True).returncode:
        pytest.skip("mounting a small disk needs privileges")
    try:
        with pytest.raises(RunAborted, match="make room"):
            execute(request(mount, episodes=20))
        assert 0 < len(_signature(mount)) < 40
    finally:
        subprocess.run(["umount", mount], check=True)


def test_the_policy_gets_batches_and_no_lockstep(tmp_path: Path) -> None:
    outcome = run_broken(tmp_path, "slow", episodes=8, options=EngineOptions(workers=4, max_batch=4))
    assert outcome.engine.queries > 1.5 * outcome.engine.batches


def test_a_random_policy_draws_the_same_in_any_batch(tmp_path: Path) -> None:
    from mmact_eval import registry
    from mmact_eval.types import Episode, Observation, Query

    suite = load_suite("toy")
    policy = registry.make_policy("random", {}, registry.env_plugin("toy").spec(suite)).policy
    seen = Observation({}, {}, "")
    queries = [Query(seen, Episode("toy", "easy", i, 0), i) for i in range(5)]
    alone = [policy.act([query])[0].actions for query in queries]
    together = [output.actions for output in policy.act(queries[::-1])][::-1]
    np.testing.assert_array_equal(np.stack(alone), np.stack(together))


def test_the_manifest_tells_what_was_run(tmp_path: Path) -> None:
    execute(request(tmp_path, limit=1))
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    session = json.loads((tmp_path / "sessions.jsonl").read_text().splitlines()[0])
    assert manifest["fingerprint"]["protocol"]["max_steps"] == 60
    assert manifest["versions"]["numpy"] == np.__version__
    assert session["machine"]["cores"] == os.cpu_count()


def test_a_folder_from_before_manifests_had_versions_is_continued_as_it_is(tmp_path: Path) -> None:
    execute(request(tmp_path, limit=1))
    file = tmp_path / "manifest.json"
    made = json.loads(file.read_text())
    assert made.pop("manifest_version") == 1
    file.write_text(json.dumps(made, indent=2) + "\n")
    before = file.read_bytes()
    outcome = execute(request(tmp_path))
    assert len(outcome.results) == 8
    assert file.read_bytes() == before
    assert outcome.manifest.fingerprint_digest == made["digest"]
    assert sum(1 for _ in (tmp_path / "episodes.jsonl").open()) == 8
