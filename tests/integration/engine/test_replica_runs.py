"""Runs whose policy has replicas: the same results with any number of them, and nothing lost when one is."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from counted_policies import FORGETFUL, MEETING

from mmact_eval.commands.ablate import command as ablate
from mmact_eval.config.suite_file import load_suite
from mmact_eval.engine.options import EngineOptions
from mmact_eval.errors import PolicyContractError, RunAborted, RunFolderError, UsageError
from mmact_eval.evaluation import evaluate
from mmact_eval.policies.toy import ToyPolicy
from mmact_eval.recording.lead_in import LeadIn
from mmact_eval.recording.record import RecordOptions, record
from mmact_eval.runs.reading import read_episodes, read_sessions
from mmact_eval.runs.runner import RunOutcome, RunRequest, execute, execute_together
from mmact_eval.types import EpisodeResult

HELPERS = Path(__file__).parents[2] / "helpers"
GLANCING = f"{HELPERS / 'counted_policies.py'}:Glancing"
BROKEN = HELPERS / "broken_policies.py"

_POLICY = """
import os, resource, signal, sys, time
from pathlib import Path
from mmact_eval import registry
from mmact_eval.policies.toy import ToyPolicy

HERE = Path(__file__).parent
MAKER = HERE / "maker"
if not MAKER.exists():
    MAKER.write_text(str(os.getpid()))
REPLICA = MAKER.read_text() != str(os.getpid())

def note(text):
    with (HERE / "diary").open("a") as diary:
        diary.write(text + "\\n")

class Policy(ToyPolicy):
    def __init__(self, fault="", times=1, at=1, late=""):
        super().__init__()
        self._fault, self._times, self._at, self._late = fault, times, at, late
        note("made")

    def reset(self, episodes):
        for episode in episodes:
            note(f"reset {episode.key}")

    def act(self, queries):
        assert REPLICA, "asked where it was made first"
        assert len({query.episode for query in queries}) == len(queries)
        if self._late:
            (HERE / self._late).read_text()
        for query in queries:
            if query.episode.init_state == self._at and query.index == 1 and self._fault:
                mark = HERE / f"{self._fault}-{query.episode.task}"
                before = mark.stat().st_size if mark.exists() else 0
                if before < self._times:
                    with mark.open("a") as file:
                        file.write("x")
                    self.break_down()
        return super().act(queries)

    def break_down(self):
        if self._fault == "exits":
            os._exit(3)
        if self._fault == "is killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self._fault == "sleeps":
            time.sleep(100)
        if self._fault == "is stopped":
            os.kill(os.getpid(), signal.SIGSTOP)
        if self._fault == "wants memory":
            resource.setrlimit(resource.RLIMIT_AS, (2 << 30, resource.RLIM_INFINITY))
            bytearray(4 << 30)

    def episode_ended(self, result):
        note(f"ended {result.episode.key} {result.outcome}")

    def free_weights(self):
        note("freed")

    def close(self):
        note("closed")

def not_in_replicas(env_spec):
    if REPLICA:
        raise OSError("no such GPU")
    return Policy()

def other_in_replicas(env_spec):
    policy = Policy()
    if REPLICA:
        from dataclasses import replace
        policy.spec = replace(policy.spec, checkpoint="another")
    return policy

def always_exits(env_spec):
    class Exits(Policy):
        def act(self, queries):
            os._exit(3)
    return Exits()
"""


@pytest.fixture
def policy(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """A policy of a user's in a folder of its own, as parts of a request."""
    folder = tmp_path / "policy"
    folder.mkdir()
    (folder / "mine.py").write_text(_POLICY)

    def chosen(name: str = "Policy", **args: object) -> dict[str, Any]:
        return {"policy": f"{folder / 'mine.py'}:{name}", "policy_args": args}

    return chosen


def diary(tmp_path: Path) -> list[str]:
    return (tmp_path / "policy" / "diary").read_text().splitlines()


def request(
    out: Path, replicas: int = 0, workers: int = 2, *overrides: str, suite: str = "toy", **changes: Any
) -> RunRequest:
    options = EngineOptions(workers=workers, policy_replicas=replicas, **changes.pop("options", {}))
    return replace(RunRequest(load_suite(suite, overrides), "toy", episodes=4, out=out, options=options), **changes)


def reproducible(results: Sequence[EpisodeResult]) -> dict[str, tuple[object, ...]]:
    return {result.episode.key: result.reproducible() for result in results}


@functools.cache
def alone(suite: str, policy: str) -> dict[str, tuple[object, ...]]:
    """What a run without replicas comes to."""
    return reproducible(evaluate(policy, suite, episodes=4, progress=False).episodes)


@pytest.mark.parametrize(
    ("suite", "policy", "replicas", "workers", "max_batch"),
    [
        ("toy", "random", 1, 1, 32),
        ("toy", "random", 2, 4, 32),
        ("toy", GLANCING, 2, 2, 1),
        ("toy-stages", FORGETFUL, 1, 4, 3),
        ("toy-stages", FORGETFUL, 2, 1, 32),
        ("toy-stages", FORGETFUL, 3, 4, 2),
    ],
)
def test_results_do_not_depend_on_replicas(
    tmp_path: Path, suite: str, policy: str, replicas: int, workers: int, max_batch: int
) -> None:
    asked = request(
        tmp_path, replicas, workers, suite=suite, policy=policy, options={"max_batch": max_batch}, video="all"
    )
    outcome = execute(asked)
    assert reproducible(outcome.results) == alone(suite, policy)
    assert all(result.attempts == 1 for result in outcome.results)
    assert all((tmp_path / result.artifacts["video"]).is_file() for result in outcome.results)
    done = outcome.engine.replicas
    assert list(done) == list(range(replicas))
    assert sum(replica.queries for replica in done.values()) == outcome.engine.queries > 0
    assert sum(replica.batches for replica in done.values()) == outcome.engine.batches
    assert all(0 < replica.busy_share <= 1 for replica in done.values() if replica.queries)


@pytest.mark.parametrize(("replicas", "workers"), [(1, 1), (2, 2), (2, 4), (3, 4)])
def test_no_replica_is_idle_while_there_are_as_many_workers(tmp_path: Path, replicas: int, workers: int) -> None:
    args = {"place": (tmp_path / "meeting").as_uri(), "processes": replicas}
    asked = request(tmp_path, replicas, workers, suite="toy-stages", policy=MEETING, policy_args=args)
    assert all(replica.queries for replica in execute(asked).engine.replicas.values())


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("replicas", [0, 1, 2, 3])
def test_every_number_of_replicas_and_workers_comes_to_the_same(tmp_path: Path, replicas: int, workers: int) -> None:
    for suite, policy in (("toy", GLANCING), ("toy-stages", FORGETFUL)):
        results = execute(request(tmp_path / suite, replicas, workers, suite=suite, policy=policy)).results
        assert reproducible(results) == alone(suite, policy)
        assert {result.attempts for result in results} == {1}


def test_a_run_goes_on_with_another_number_of_replicas(tmp_path: Path) -> None:
    first = execute(request(tmp_path, 2, limit=3, policy=GLANCING))
    assert len(first.results) == 3
    assert len(execute(request(tmp_path, 0, limit=2, policy=GLANCING)).results) == 5
    last = execute(request(tmp_path, 1, policy=GLANCING))
    assert reproducible(last.results) == alone("toy", GLANCING)
    assert last.manifest.fingerprint == first.manifest.fingerprint
    assert [s.policy_replicas for s in read_sessions(tmp_path) if s.event == "end"] == [2, None, 1]


def test_arms_of_a_study_share_replicas_and_transforms_are_put_around_each(tmp_path: Path) -> None:
    arms = {
        "plain": {},
        "coarse": {"transforms": [{"quantize": {"bins": 4}}]},
        "late": {"transforms": [{"delay": {"steps": 3}}]},
        "other": {"policy": GLANCING},
    }
    (tmp_path / "study.yaml").write_text(
        json.dumps({"name": "mine", "base": {"suite": "toy", "policy": "toy", "episodes": 3}, "arms": arms})
    )
    found = []
    for name, more in {
        "without": [],
        "with": ["--policy-replicas", "2", "--workers", "2", "--together", "all"],
    }.items():
        given = ["--study", str(tmp_path / "study.yaml"), "--out", str(tmp_path / name), "--format", "none", *more]
        assert ablate.main(given, standalone_mode=False) == 0
        folders = {arm: tmp_path / name / arm for arm in arms}
        found.append({arm: reproducible(list(read_episodes(at)[0].values())) for arm, at in folders.items()})
    assert found[0] == found[1]


def test_a_recording_is_made_with_replicas_and_each_has_a_lead_in(tmp_path: Path) -> None:
    options = RecordOptions(images="png", noise=0.1, lead_in=LeadIn("random", 20))
    done = [record(request(tmp_path, replicas), tmp_path / str(replicas), options) for replicas in (0, 2)]
    assert reproducible(done[0].run.results) == reproducible(done[1].run.results)
    assert done[0].frames == done[1].frames > 0


def test_an_episode_has_one_replica_which_hears_of_all_of_it(tmp_path: Path, policy: Callable[..., Any]) -> None:
    outcome = execute(request(tmp_path / "run", 2, 4, **policy()))
    keys = {result.episode.key for result in outcome.results}
    told = diary(tmp_path)
    assert sorted(line for line in told if line.startswith("reset")) == sorted(f"reset {key}" for key in keys)
    assert sorted(line for line in told if line.startswith("ended")) == sorted(f"ended {key} success" for key in keys)
    assert told.count("made") == told.count("closed") == 3, "two replicas, and the one that says what it is"
    assert told[:2] == ["made", "freed"]
    assert told.count("freed") == 1, "its weights are only kept where it is asked"


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("exits", "exited with code 3"),
        ("is killed", r"died of signal 9 \(SIGKILL\)"),
        ("sleeps", r"has not answered for 2 s \(--policy-timeout\)"),
        ("is stopped", r"has not answered for 2 s \(--policy-timeout\)"),
    ],
)
def test_a_replica_that_is_lost_costs_an_attempt_of_what_it_had(
    tmp_path: Path, policy: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, fault: str, says: str
) -> None:
    monkeypatch.setattr("mmact_eval.engine.replicas.pool._SLACK", 1.0)
    options = {"policy_timeout": 2.0}
    outcome = execute(request(tmp_path / "run", 2, **policy(fault=fault), options=options))
    assert reproducible(outcome.results) == alone("toy", "toy")
    lost = {(result.episode.task, result.episode.init_state) for result in outcome.results if result.attempts == 2}
    assert ("hard", 1) in lost
    assert all(result.attempts <= 2 for result in outcome.results)
    assert sum(replica.restarts for replica in outcome.engine.replicas.values()) == 1

    again = execute(request(tmp_path / "again", 1, **policy(fault=fault, times=9), options={**options, "retries": 0}))
    errors = [result for result in again.results if result.outcome == "error"]
    assert {result.episode.init_state for result in errors} >= {1}
    assert all(re.fullmatch(f"the policy's replica 0 {says}", result.error) for result in errors)
    assert all(result.error_kind == "policy" for result in errors)


def test_one_query_without_memory_is_an_error_of_one_episode(tmp_path: Path, policy: Callable[..., Any]) -> None:
    outcome = execute(request(tmp_path / "run", 1, **policy(fault="wants memory", times=9), options={"retries": 0}))
    errors = {result.episode.init_state: result.error for result in outcome.results if result.outcome == "error"}
    assert list(errors) == [1]
    assert errors[1].startswith("MemoryError")
    assert outcome.engine.replicas[0].restarts == 0


def test_a_policy_that_always_kills_its_replicas_ends_the_run_with_the_reason(
    tmp_path: Path, policy: Callable[..., Any]
) -> None:
    asked = request(tmp_path / "run", 2, **policy("always_exits"), options={"retries": 9, "max_errors_in_a_row": 99})
    with pytest.raises(
        RunAborted, match=r"no replica of the policy works; the last one exited with code 3; see .*logs"
    ):
        execute(asked)
    assert 2 <= diary(tmp_path).count("made") <= 9


def test_a_policy_that_only_this_process_can_make_ends_the_run_with_the_reason(
    tmp_path: Path, policy: Callable[..., Any]
) -> None:
    with pytest.raises(RunAborted, match=r"no replica .* works; the last one cannot work: .*no such GPU"):
        execute(request(tmp_path / "run", 2, **policy("not_in_replicas")))


def test_another_policy_in_the_replicas_is_refused(tmp_path: Path, policy: Callable[..., Any]) -> None:
    with pytest.raises(UsageError, match=r"is not the policy of this run: policy\.checkpoint:  → another") as refused:
        execute(request(tmp_path / "run", 2, **policy("other_in_replicas")))
    assert "\n" not in str(refused.value)
    assert not read_episodes(tmp_path / "run")[0]


def test_files_that_replicas_read_late_are_the_policys(tmp_path: Path, policy: Callable[..., Any]) -> None:
    late = tmp_path / "policy" / "late.json"
    late.write_text("1")
    asked = request(tmp_path / "run", 2, **policy(late="late.json"), limit=2)
    execute(asked)
    noted = [session.read for session in read_sessions(tmp_path / "run") if session.event == "files"]
    assert "late.json" in noted[-1]
    late.write_text("2")
    with pytest.raises(RunFolderError, match=r"policy\.code\.late\.json"):
        execute(asked)


@pytest.mark.parametrize(
    ("attribute", "error", "says"),
    [
        ("wrong_width", RunAborted, r"shape \(1, 3\); expected \(T, 2\)"),
        ("asynchronous_reset", PolicyContractError, "`reset` is asynchronous"),
        ("too_few_outputs", RunAborted, "0 outputs for"),
        ("always_raises", RunAborted, "none went well"),
    ],
)
def test_a_policy_that_breaks_its_contract_stops_the_run_as_ever(
    tmp_path: Path, attribute: str, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        execute(request(tmp_path, 1, policy=f"{BROKEN}:{attribute}", episodes=20))


def test_a_bad_query_costs_its_episode_and_no_other_in_its_batch(tmp_path: Path) -> None:
    outcome = execute(request(tmp_path, 1, 4, policy=f"{BROKEN}:raises"))
    errors = {result.episode.init_state: result.error for result in outcome.results if result.outcome == "error"}
    assert list(errors) == [1]
    assert errors[1] == "RuntimeError: out of memory, say"
    assert "RuntimeError: out of memory, say" in (tmp_path / "logs" / "engine.log").read_text()


def test_runs_with_policies_of_their_own_have_replicas_of_their_own(tmp_path: Path, policy: Callable[..., Any]) -> None:
    asked = {
        "dies": request(tmp_path / "dies", 1, **policy("always_exits"), options={"retries": 9}),
        "lives": request(tmp_path / "lives", 1, policy=GLANCING, options={"retries": 9}),
    }
    outcomes = execute_together(asked)
    assert isinstance(outcomes["dies"], RunAborted)
    lives = outcomes["lives"]
    assert isinstance(lives, RunOutcome)
    assert reproducible(lives.results) == alone("toy", GLANCING)
    assert all(result.attempts == 1 for result in lives.results)


def test_an_object_has_no_replicas_and_a_name_has() -> None:
    for live in (ToyPolicy(4), lambda: ToyPolicy(4)):
        with pytest.raises(UsageError, match="an object of this process, which cannot have replicas"):
            evaluate(live, "toy", episodes=1, policy_replicas=1)
    results = evaluate("toy", "toy", episodes=1, policy_replicas="auto", progress=False)
    assert results.outcome is not None
    assert len(results.outcome.engine.replicas) >= 1
    with pytest.raises(UsageError, match="policy_replicas must be at least 0"):
        evaluate("toy", "toy", policy_replicas=-1)


def run_command(out: Path, *options: str) -> list[str]:
    slow = ["--set", "env_args.step_seconds=0.02", "--episodes", "4"]
    return [sys.executable, "-m", "mmact_eval", "run", "--suite", "toy", "--out", str(out), *slow, *options]


def processes(folder: Path, what: str) -> list[int]:
    """Those of this kind that write into logs in this folder."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                line = (process / "cmdline").read_text()
                log = os.readlink(process / "fd" / "1")
            except OSError:
                continue
            if f"mmact_eval.engine.local.{what}" in line and log.startswith(str(folder)):
                found.append(int(process.name))
    return found


def wait_for(happened: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline, "it never got so far"
        time.sleep(0.02)


def lines(file: Path) -> int:
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_a_replica_that_is_killed_from_outside_is_replaced(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = run_command(out, "--policy", "random", "--workers", "2", "--policy-replicas", "2")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_for(lambda: lines(out / "episodes.jsonl") >= 2)
    os.kill(processes(out, "replica")[0], signal.SIGKILL)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert reproducible(list(read_episodes(out)[0].values())) == alone("toy", "random")
    assert "restarted 1 time" in said
    assert re.search(r"Replica 0 of the policy: \d+ queries in \d+ batches, busy \d+ % of the time", said)
    again = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (again.returncode, "Replica" in again.stdout) == (0, False), again.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_a_run_that_is_ended_and_the_same_command_goes_on(tmp_path: Path, number: int) -> None:
    out = tmp_path / "run"
    command = run_command(out, "--policy", "random", "--workers", "2", "--policy-replicas", "2")
    slower = ["--set", "env_args.step_seconds=0.1"]  # so that it is not over before the signal comes
    process = subprocess.Popen(
        [*command, *slower], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # the shell may have it ignored
    )  # fmt: skip
    wait_for(lambda: lines(out / "episodes.jsonl") >= 1)
    assert len(processes(out, "replica")) == 2
    process.send_signal(number)
    assert process.wait(timeout=60) == (1 if number != signal.SIGKILL else -9)
    wait_for(lambda: not processes(out, "replica") and not processes(out, "worker"))
    assert 0 < len(read_episodes(out)[0]) < 8
    again = subprocess.run([*command, *slower, "--policy-replicas", "1"], capture_output=True)
    assert again.returncode == 0
    assert reproducible(list(read_episodes(out)[0].values())) == alone("toy", "random")


def went_on(process: subprocess.Popen[bytes], file: Path, before: int) -> bool:
    return lines(file) > before or process.poll() is not None


@pytest.mark.slow
def test_twenty_random_kills_lose_nothing_and_count_nothing_twice(tmp_path: Path) -> None:
    """Of workers, replicas and the run itself, which is started again then."""
    out, rng, kills = tmp_path / "run", random.Random(0), 0
    command = run_command(out, "--policy", FORGETFUL, "--workers", "3", "--policy-replicas", "2", "--retries", "99")
    command[command.index("--episodes") + 1] = "20"
    code: int | None = None
    while code != 0:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        before = lines(out / "episodes.jsonl")
        wait_for(functools.partial(went_on, process, out / "episodes.jsonl", before))
        while (code := process.poll()) is None:
            time.sleep(rng.uniform(0.2, 1.0))
            kind = rng.choice(["worker", "replica", "replica", "run"])
            found = [process.pid] if kind == "run" else processes(out, kind)
            if kills < 20 and found:
                kills += 1
                with contextlib.suppress(ProcessLookupError):
                    os.kill(rng.choice(found), signal.SIGKILL)
        assert code in (0, -signal.SIGKILL)
    assert kills >= 10
    expected = reproducible(evaluate(FORGETFUL, "toy", episodes=20, progress=False).episodes)
    recorded = [json.loads(line) for line in (out / "episodes.jsonl").read_text().splitlines()]
    assert len(recorded) == len({(line["task"], line["init_state"], line["seed"]) for line in recorded}) == 40
    assert reproducible(list(read_episodes(out)[0].values())) == expected
