"""The Ray engine on a real cluster of two nodes: what the local engine gives, bit for bit, whatever happens to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from counted_policies import FORGETFUL
from ray_clusters import add_node, connected_cluster_of, kill_node

from mmact_eval.config.suite_file import load_suite
from mmact_eval.engine.options import EngineOptions
from mmact_eval.errors import UsageError
from mmact_eval.evaluation import evaluate
from mmact_eval.runs.files.live import read_live
from mmact_eval.runs.reading import read_episodes
from mmact_eval.runs.request import Extension
from mmact_eval.runs.runner import RunOutcome, RunRequest, execute, execute_together
from mmact_eval.types import EpisodeResult

TALKING = f"{Path(__file__).parents[2] / 'helpers' / 'talking_policies.py'}:make"
DISTURBED = ("protocol.disturbance={metres: 0.1, first_step: 1, last_step: 9}", "protocol.replan=4")
SLOW = "env_args.step_seconds=0.02"
Records = Mapping[str, tuple[object, ...]]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with connected_cluster_of([1, 1]) as made:
        yield made


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Records:
    return records(execute(request(tmp_path_factory.mktemp("local"))).results)


def request(out: Path, *overrides: str, workers: int = 0, **changes: Any) -> RunRequest:
    """With workers a run on Ray, without on this machine."""
    options = EngineOptions(engine="ray", workers=workers) if workers else EngineOptions()
    base = RunRequest(load_suite("toy", overrides), "random", episodes=4, out=out, options=options)
    return replace(base, **changes)


def records(results: Sequence[EpisodeResult]) -> Records:
    return {result.episode.key: result.reproducible() for result in results}


def files(folder: Path, *parts: str) -> Mapping[str, bytes]:
    found = [file for part in parts for file in (folder / part).rglob("*") if file.is_file()]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in found}


def after(number: int, do: Callable[[], None]) -> Extension:
    """Do something once so many results are there."""
    seen: list[EpisodeResult] = []

    def heard(result: EpisodeResult) -> bool:
        seen.append(result)
        if len(seen) == number:
            do()
        return False

    return Extension(enough=heard)


def until(true: Callable[[], bool], what: str, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def test_results_and_artifacts_are_those_of_the_local_engine(cluster: Any, tmp_path: Path) -> None:
    found, made = [], []
    for engine, workers in (("local", 0), ("ray", 2)):
        outcome = execute(
            request(tmp_path / engine, *DISTURBED, workers=workers, policy=TALKING, episodes=3, video="all")
        )
        results = outcome.results
        found.append([(result.reproducible(), result.attempts, dict(result.artifacts)) for result in results])
        made.append(files(tmp_path / engine, "videos", "plans", "disturbances"))
    assert found[0] == found[1]
    assert made[0] == made[1]
    assert {name.partition("/")[0] for name in made[0]} == {"videos", "plans", "disturbances"}
    assert set(outcome.engine.peak_memory_mib) <= {0, 1}
    assert all("worker" in file.read_text() for file in (tmp_path / "ray/logs").glob("worker-*.log"))


def test_the_memory_of_each_worker_is_told(cluster: Any, tmp_path: Path) -> None:
    told: list[int] = []
    for attempt in range(10):  # a worker may be so late that the other has done all
        outcome = execute(request(tmp_path / str(attempt), SLOW, workers=2, episodes=2))
        told = sorted(outcome.engine.peak_memory_mib)
        if told == [0, 1]:
            break
    assert told == [0, 1]
    assert all(mib > 10 for mib in outcome.engine.peak_memory_mib.values())


def test_episodes_with_stages_and_several_arms_are_the_same(cluster: Any, tmp_path: Path) -> None:
    found = []
    for engine, workers in (("local", 0), ("ray", 1)):
        asked = {
            str(replan): request(
                tmp_path / engine / str(replan),
                workers=workers,
                suite=load_suite("toy-stages", [f"protocol.replan={replan}"]),
                policy=FORGETFUL,
                episodes=2,
            )
            for replan in (2, 4)
        }
        outcomes = execute_together(asked)
        assert all(isinstance(outcome, RunOutcome) for outcome in outcomes.values())
        found.append([records(outcome.results) for outcome in outcomes.values() if isinstance(outcome, RunOutcome)])
    assert found[0] == found[1]


@pytest.mark.parametrize(("fault", "kind"), [("hang", "timeout"), ("crash", "crash"), ("raise", "environment")])
def test_an_accident_is_tried_again_by_a_fresh_worker(
    cluster: Any, tmp_path: Path, expected: Records, fault: str, kind: str
) -> None:
    overrides = [f"env_args.fault={fault}", "env_args.fault_init_state=1", "protocol.episode_timeout=2"]
    once = f"env_args.fault_once={tmp_path / 'mark'}"
    outcome = execute(request(tmp_path / "once", *overrides, once, workers=1, tasks="easy"))
    assert records(outcome.results).items() <= expected.items()
    assert sorted(result.attempts for result in outcome.results) == [1, 1, 1, 2]
    assert outcome.engine.restarts == 1
    if fault == "crash":
        retries = EngineOptions(engine="ray", workers=1, retries=0)
        (error,) = execute(
            request(tmp_path / "always", *overrides, tasks="easy", init_states="1", episodes=1, options=retries)
        ).results
        assert (error.outcome, error.error_kind) == ("error", kind)
        assert error.error == "the worker process died of signal 9 (SIGKILL)"


def test_a_node_that_joins_takes_work_and_one_that_dies_costs_an_attempt(
    cluster: Any, tmp_path: Path, expected: Records
) -> None:
    import ray

    nodes: list[Any] = []
    join = after(1, lambda: nodes.append(add_node(cluster, 1)))
    joined = execute(request(tmp_path / "join", SLOW, workers=3, extension=join, shuffle=1, episodes=12))
    assert records(joined.results).items() >= expected.items()
    assert len(joined.engine.peak_memory_mib) == 3  # each has finished an episode
    die = after(3, lambda: kill_node(cluster, nodes[0]))
    died = execute(request(tmp_path / "die", SLOW, workers=3, extension=die))
    assert records(died.results) == expected
    assert max(result.attempts for result in died.results) <= 2
    assert died.engine.restarts >= 1
    until(lambda: sum(node["Alive"] for node in ray.nodes()) == 2, "Ray does not give the node up")


def test_a_driver_that_is_killed_leaves_no_worker_and_is_resumed(
    cluster: Any, tmp_path: Path, expected: Records
) -> None:
    import ray

    command = [sys.executable, "-m", "mmact_eval", "run", "--suite", "toy", "--policy", "random", "--episodes", "4"]
    command += ["--out", "run", "--engine", "ray", "--workers", "auto", "--set", SLOW, "--format", "none"]
    command += ["--ray-address", cluster.address]
    lines = tmp_path / "run" / "episodes.jsonl"
    driver = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE)
    until(lambda: lines.exists() and len(lines.read_text().splitlines()) >= 2, "nothing has run")
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    assert len(read_episodes(tmp_path / "run")[0]) < 8
    until(lambda: ray.available_resources().get("CPU") == 2, "a worker outlives its driver")
    resumed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert resumed.returncode == 0, resumed.stderr
    assert f"2 nodes at {cluster.address} with 2 CPUs" in resumed.stderr
    assert "raylet" not in resumed.stdout
    assert records(list(read_episodes(tmp_path / "run")[0].values())) == expected
    assert len(lines.read_text().splitlines()) == 8


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGUSR1, 75), (signal.SIGTERM, 1)])
def test_a_signal_ends_a_run_in_words_while_ray_waits(
    cluster: Any, tmp_path: Path, sent: signal.Signals, code: int
) -> None:
    import ray

    command = [sys.executable, "-m", "mmact_eval", "run", "--suite", "toy", "--policy", "random", "--episodes", "4"]
    command += ["--out", "run", "--engine", "ray", "--set", "env_args.step_seconds=0.1", "--format", "none"]
    command += ["--ray-address", cluster.address]
    driver = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    until(lambda: (tmp_path / "run" / "logs" / "worker-0.log").exists(), "no worker has begun")
    driver.send_signal(sent)
    told = driver.communicate()[1]
    assert driver.returncode == code, told
    assert "Traceback" not in told
    assert told.splitlines()[-1].startswith(f"Error: stopped by {sent.name}. Finished episodes are safe")
    live = read_live(tmp_path / "run")
    assert live is not None
    assert live.state == "stopped"
    until(lambda: ray.available_resources().get("CPU") == 2, "a worker outlives its driver")


def test_nodes_that_are_made_of_something_else_are_left_out(
    cluster: Any, tmp_path: Path, expected: Records, capfd: pytest.CaptureFixture[str]
) -> None:
    older = tmp_path / "mmact_eval"
    older.mkdir()
    (older / "__init__.py").write_text('__version__ = "0.0.1"\n')
    node = add_node(cluster, 1, env_vars={"PYTHONPATH": str(tmp_path)})
    try:
        outcome = execute(request(tmp_path / "run", SLOW, workers=3))
    finally:
        kill_node(cluster, node)
    assert records(outcome.results) == expected
    assert [result.attempts for result in outcome.results] == [1] * 8
    told = [line for line in capfd.readouterr().err.splitlines() if "left out" in line]
    assert len(told) == 1
    assert told[0].endswith("mmact-eval 0.1.0 here, 0.0.1 there")


def test_code_that_no_node_has_is_one_message(cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here.py").write_text("from mmact_eval.envs.toy import plugin\n")
    monkeypatch.syspath_prepend(tmp_path)
    suite = load_suite("toy").model_copy(update={"env": "here:plugin"})
    with pytest.raises(UsageError, match='cannot import "here"'):
        execute(request(tmp_path / "run", workers=1, suite=suite))


def test_a_recording_is_the_same(cluster: Any, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="the extra `record` is not installed")
    from mmact_eval.recording.record import RecordOptions, record

    made = []
    for engine, workers in (("local", 0), ("ray", 1)):
        asked = request(tmp_path / engine, workers=workers, policy="toy", tasks="easy", episodes=2)
        assert record(asked, tmp_path / engine, RecordOptions(noise=0.1, random_start=3)).episodes == 2
        made.append(files(tmp_path / engine, "run/demonstrations", "data", "videos"))
    assert made[0] == made[1]


def test_it_is_called_from_python(cluster: Any) -> None:
    options = EngineOptions(engine="ray", worker_cpus=0.5)
    results = evaluate("random", "toy", episodes=1, workers=2, options=options, progress=False)
    assert len(results.episodes) == 2


def test_a_cluster_of_its_own_goes_with_the_run(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    command = [sys.executable, "-m", "mmact_eval", "run", "--suite", "toy", "--policy", "random", "--episodes", "9"]
    command += ["--out", "run", "--engine", "ray", "--ray-address", "local", "--set", "env_args.step_seconds=0.05"]
    (tmp_path / "tmp").mkdir()
    env = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    run = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines = tmp_path / "run" / "episodes.jsonl"
    until(lambda: run.poll() is not None or (lines.exists() and lines.read_text() != ""), "nothing has run")
    run.send_signal(signal.SIGTERM)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 1
    assert "stopped by SIGTERM. Finished episodes are safe" in errors
    assert "Ray: a cluster of this machine alone, 1 node" in errors
    assert len(errors.splitlines()) < 5
    assert not [*(tmp_path / "tmp").iterdir(), *Path("/tmp").glob(f"mmact-ray-*-{run.pid}-*")]
    until(lambda: not processes_with(str(tmp_path)), "something outlives the run", 20)


def processes_with(text: str) -> list[str]:
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                line = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            except OSError:
                continue
            if text.encode() in line and int(process.name) != os.getpid():
                found.append(process.name)
    return found
