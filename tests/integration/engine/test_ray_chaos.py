"""The Ray engine when everything goes wrong for a while, and on simulators. Slow: run with `pytest -m slow`."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ray_clusters import add_node, cluster_of, kill_node

from mmact_eval.config.suite_file import load_suite
from mmact_eval.engine.options import EngineOptions
from mmact_eval.errors import RunAborted, RunFolderError
from mmact_eval.runs.reading import read_episodes
from mmact_eval.runs.request import Extension
from mmact_eval.runs.runner import RunRequest, execute
from mmact_eval.types import EpisodeResult

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

KILLS = 20
Records = Mapping[str, tuple[object, ...]]


def records(results: Sequence[EpisodeResult]) -> Records:
    return {result.episode.key: result.reproducible() for result in results}


def processes_in(folder: Path, name: str) -> list[int]:
    """Processes of this name that have moved to the folder, as workers and replicas on this machine do."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                if name.encode() in (process / "cmdline").read_bytes() and (process / "cwd").resolve() == folder:
                    found.append(int(process.name))
            except OSError:
                continue
    return found


class Chaos:
    """A run that is killed in part or as a whole, again and again, until it is through."""

    def __init__(self, cluster: Any, folder: Path, seed: int) -> None:
        self._cluster, self._folder, self._random = cluster, folder, random.Random(seed)
        self._command = [
            sys.executable, "-m", "mmact_eval", "run", "--suite", "toy", "--policy", "toy", "--episodes", "40",
            "--out", "run", "--engine", "ray", "--ray-address", cluster.address, "--workers", "3", "--retries", "50",
            "--policy-replicas", "2", "--policy-gpus", "0", "--set", "env_args.step_seconds=0.12", "--format", "none",
        ]  # fmt: skip
        self._driver = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, cwd=self._folder, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)

    def strike(self) -> str:
        """Kill something; what it was, "" if there was nothing of the kind."""
        victim = self._random.choice(["worker", "actor", "node", "driver"])
        if victim == "driver":
            self._driver.kill()
            self._driver.communicate()
            self._driver = self._started()
        elif victim == "node":
            kill_node(self._cluster, self._random.choice(sorted(self._cluster.worker_nodes, key=lambda n: n.node_id)))
            add_node(self._cluster, 1)
        else:
            name = "engine.local.worker" if victim == "worker" else "ray::MmactEvalActor"
            found = processes_in(self._folder, name)
            if not found:
                return ""
            os.kill(self._random.choice(found), signal.SIGKILL)
        return victim

    def over(self) -> bool:
        """Whether the driver has ended; in anything but success it is started again."""
        if self._driver.poll() is None:
            return False
        _, errors = self._driver.communicate()
        assert self._driver.returncode == 0, errors.decode()
        return True

    def wait(self) -> None:
        _, errors = self._driver.communicate(timeout=900)
        assert self._driver.returncode == 0, errors.decode()


def test_of_twenty_kills_nothing_is_lost_and_nothing_counts_twice(tmp_path: Path) -> None:
    with cluster_of([1, 1, 1]) as cluster:
        chaos = Chaos(cluster, tmp_path, seed=23)
        struck: list[str] = []
        while len(struck) < KILLS and not chaos.over():
            time.sleep(random.Random(len(struck)).uniform(1, 6))
            victim = chaos.strike()
            struck += [victim] if victim else []
        assert len(struck) == KILLS, f"the run was through after {struck}"
        chaos.wait()
    whole = execute(RunRequest(load_suite("toy"), "toy", episodes=40, out=tmp_path / "whole"))
    found, _ = read_episodes(tmp_path / "run")
    assert records(list(found.values())) == records(whole.results)
    assert len((tmp_path / "run" / "episodes.jsonl").read_text().splitlines()) == 80


@pytest.mark.parametrize(("nodes", "workers"), [(1, 1), (1, 4), (2, 2), (3, 4)])
def test_results_do_not_depend_on_nodes_and_workers(tmp_path: Path, nodes: int, workers: int) -> None:
    suite = load_suite("toy-stages")
    whole = execute(RunRequest(suite, "random", episodes=6, out=tmp_path / "whole"))
    with cluster_of([-(-workers // nodes)] * nodes) as cluster:
        options = EngineOptions(engine="ray", workers=workers, cluster=cluster.address)
        found = execute(RunRequest(suite, "random", episodes=6, out=tmp_path / "ray", options=options))
    assert records(found.results) == records(whole.results)


_GREEDY = """
import time
from pathlib import Path
from mmact_eval.policies.toy import ToyPolicy

class Greedy(ToyPolicy):
    def act(self, queries):
        if any(query.episode.init_state == 2 for query in queries):
            try:
                Path(__file__).with_name("mark").open("x").close()
            except FileExistsError:
                return super().act(queries)
            self.hoard = [bytearray(b"x") * 2**30 for _ in range(4)]
            time.sleep(100)
        return super().act(queries)
"""


def test_a_replica_without_memory_costs_its_episodes_an_attempt(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As Ray's memory monitor ends it, at 2 GiB more than is in use now."""
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    memory = {name.rstrip(":"): int(kib) / 2**20 for name, kib, *_ in lines}
    if memory["MemAvailable"] < 8:
        pytest.skip("needs 8 GiB of free memory")
    most = 1 - (memory["MemAvailable"] - 2) / memory["MemTotal"]
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "mine.py").write_text(_GREEDY)
    asked = RunRequest(load_suite("toy"), f"{tmp_path}/policy/mine.py:Greedy", episodes=4, out=tmp_path / "ray")
    with cluster_of([2, 2], memory_usage_threshold=most, memory_monitor_refresh_ms=100) as cluster:
        options = EngineOptions(engine="ray", workers=2, policy_replicas=2, policy_gpus=0.0, cluster=cluster.address)
        outcome = execute(replace(asked, options=options))
    assert [result.outcome for result in outcome.results] == ["success"] * 8
    assert max(result.attempts for result in outcome.results) == 2
    assert "was ended by Ray, because" in caplog.text
    assert sum(replica.restarts for replica in outcome.engine.replicas.values()) == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill_with(filler: Path) -> bool:
    """Leave no room beside the file."""
    with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return False


def test_a_full_disk_of_the_driver_loses_nothing(tmp_path: Path, small_disk: Path) -> None:
    suite = load_suite("toy", ["env_args.step_seconds=0.01"])
    whole = execute(RunRequest(suite, "random", episodes=8, out=tmp_path / "whole"))
    with cluster_of([2]) as cluster:
        options = EngineOptions(engine="ray", workers=2, cluster=cluster.address)
        filler = small_disk / "filler"
        fill = Extension(enough=lambda result: fill_with(filler))
        asked = RunRequest(suite, "random", episodes=8, out=small_disk / "run", options=options, extension=fill)
        with pytest.raises((RunAborted, RunFolderError), match="No space left"):
            execute(asked)
        before = len(read_episodes(small_disk / "run")[0])
        assert before < 16
        filler.unlink()
        found = execute(replace(asked, extension=Extension()))
    assert records(found.results) == records(whole.results)


@pytest.mark.libero
def test_libero_is_the_same_on_a_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("libero", reason="the extra `libero` is not installed")
    monkeypatch.setenv("MUJOCO_GL", os.environ.get("MUJOCO_GL", "egl"))
    suite = load_suite("libero-goal", ["protocol.max_steps=10"])
    asked = RunRequest(suite, "random", episodes=1, tasks="0,1", out=tmp_path / "whole")
    whole = execute(asked)
    with cluster_of([1, 1]) as cluster:
        options = EngineOptions(engine="ray", workers=2, cluster=cluster.address)
        found = execute(replace(asked, out=tmp_path / "ray", options=options))
    assert records(found.results) == records(whole.results)
