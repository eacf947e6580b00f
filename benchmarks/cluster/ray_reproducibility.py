"""Does a result depend on where a run is executed? The same episodes on this machine and on Ray clusters, compared.

    python benchmarks/cluster/ray_reproducibility.py [--suite libero-goal] [--tasks 0,1] [--episodes 3] [--out FILE.md]

The clusters are real, several raylets on this machine; a node has as many CPUs as it is to have workers. The policy
turns every pixel that it sees into actions (see `benchmarks/reproducibility.py`). Compared are outcome, steps, queries,
the hash of the scene and the hash of the final simulator state of every episode with those of the local engine.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmact_eval.runs.reading import read_episodes

POLICY = f"{Path(__file__).resolve().parents[1] / 'reproducibility.py'}:PixelPolicy"
SETTINGS = {
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 1000,
    "health_check_failure_threshold": 10,
    "worker_niceness": 0,
}
SMALL = {"include_dashboard": False, "object_store_memory": 100 * 2**20}


@dataclass(frozen=True)
class Case:
    """One way to execute the run.

    Attributes:
        name: of the row.
        workers: how many.
        nodes: of the cluster; 0 for the local engine.
        accident: ``node`` dies, another one ``join``s, the ``driver`` is killed and started again, "" for none.
        flags: more of the command.
    """

    name: str
    workers: int
    nodes: int = 0
    accident: str = ""
    flags: tuple[str, ...] = ()


CASES = [
    Case("local engine, 1 worker", 1),
    *(
        Case(f"Ray, {nodes} node{'s' * (nodes > 1)}, {workers} worker{'s' * (workers > 1)}", workers, nodes)
        for nodes in (1, 2, 3)
        for workers in (1, 2, 4)
        if workers >= nodes or workers == 1
    ),
    Case("Ray, 2 nodes, shuffled, one query a batch", 2, 2, flags=("--shuffle", "1", "--max-batch", "1")),
    Case("Ray, 2 nodes, 2 workers, a node killed", 2, 2, "node"),
    Case("Ray, 1 node, 2 workers, a second node joins late", 2, 1, "join"),
    Case("Ray, 2 nodes, 2 workers, the driver killed with SIGKILL, then resumed", 2, 2, "driver"),
]

Records = dict[str, tuple[object, ...]]


@contextmanager
def cluster_of(nodes: int, cpus: int) -> Iterator[Any]:
    """A Ray cluster; None for no nodes."""
    if not nodes:
        yield None
        return
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": cpus, "_system_config": SETTINGS, **SMALL})
    try:
        for _ in range(nodes - 1):
            cluster.add_node(num_cpus=cpus, **SMALL)
        yield cluster
    finally:
        cluster.shutdown()


def run_case(case: Case, command: list[str], out: Path) -> tuple[Records, int]:
    """Execute one case: the reproducible part of each record, and the number of attempts that were needed in all."""
    cpus = 1 if case.accident else math.ceil(case.workers / max(1, case.nodes))
    with cluster_of(case.nodes, cpus) as cluster:
        full = [*command, *case.flags, "--workers", str(case.workers), "--out", str(out)]
        if cluster is not None:
            full += ["--engine", "ray", "--ray-address", cluster.address]
        process = subprocess.Popen(full, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if case.accident:
            wait_until(lambda: lines(out) >= 1)
            happen(case.accident, cluster, process)
        _, errors = process.communicate()
        if case.accident == "driver":
            subprocess.run(full, check=True, capture_output=True)
        elif process.returncode:
            raise SystemExit(f"{case.name}: exit code {process.returncode}\n{errors.decode()}")
    results, _ = read_episodes(out)
    return {e.key: r.reproducible() for e, r in results.items()}, sum(r.attempts for r in results.values())


def happen(accident: str, cluster: Any, driver: subprocess.Popen[bytes]) -> None:
    """Let something happen to the cluster or the driver."""
    if accident == "node":
        cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
    elif accident == "join":
        cluster.add_node(num_cpus=1, **SMALL)
    else:
        driver.send_signal(signal.SIGKILL)


def lines(out: Path) -> int:
    """How many results there are."""
    file = out / "episodes.jsonl"
    return len(file.read_text().splitlines()) if file.exists() else 0


def wait_until(true: Callable[[], bool], seconds: float = 600) -> None:
    """Wait.

    Raises:
        SystemExit: in vain.
    """
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise SystemExit("nothing happened")
        time.sleep(0.05)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all cases and compare."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--suite", default="libero-goal")
    parser.add_argument("--tasks", default="0,1")
    parser.add_argument("--episodes", type=int, default=3)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--cases", default="", help="only rows whose name has this")
    parser.add_argument("--out", type=Path, help="write the table to this Markdown file too")
    args = parser.parse_args(arguments)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    command = [sys.executable, "-m", "mmact_eval", "run", "--suite", args.suite, "--tasks", args.tasks]
    command += ["--episodes", str(args.episodes), "--policy", POLICY, "--format", "none"]
    command += ["--set", f"protocol.max_steps={args.steps}"]
    if args.suite.startswith("toy"):
        command += ["--set", "env_args.step_seconds=0.02"]  # long enough for something to happen

    rows = ["| how the run was executed | episodes | attempts | records equal to the first |", "|---|---|---|---|"]
    reference: Records | None = None
    different = 0
    with tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate(CASES):
            if reference is not None and args.cases not in case.name:
                continue
            records, attempts = run_case(case, command, Path(folder) / str(number))
            reference = reference or records
            equal = sum(records.get(key) == value for key, value in reference.items())
            different += equal != len(reference) or len(records) != len(reference)
            rows.append(f"| {case.name} | {len(records)} | {attempts} | {equal} of {len(reference)} |")
            print(rows[-1], flush=True)
    if args.out:
        asked = f"{args.suite}, tasks {args.tasks}, {args.episodes} episodes of {args.steps} steps each"
        args.out.write_text(f"{asked}:\n\n" + "\n".join(rows) + "\n", encoding="utf-8")
    raise SystemExit(1 if different else 0)


if __name__ == "__main__":
    main()
