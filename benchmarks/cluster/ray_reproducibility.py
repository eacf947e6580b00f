"""Does a result depend on where a run is executed? The same episodes on this machine and on Ray clusters, compared.

    python benchmarks/cluster/ray_reproducibility.py [--suite libero-goal] [--tasks 0,1] [--episodes 3] [--out FILE.md]

The clusters are real, several raylets on this machine; a node has as many CPUs as it is to have workers. The policy
turns every pixel that it sees into actions (see `benchmarks/reproducibility.py`). Compared are outcome, steps, queries,
the hash of the scene and the hash of the final simulator state of every episode with those of the local engine.
"""

from __future__ import annotations

import math
import signal
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "tests" / "helpers" / "engines")]

from ray_clusters import add_node, cluster_of, kill_node  # noqa: E402 (they lie elsewhere)
from reproducibility import (  # noqa: E402
    Records,
    arguments,
    asked,
    command_of,
    compared,
    line_count,
    records_of,
    wait_until,
)


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


def run_case(case: Case, command: list[str], out: Path) -> tuple[Records, int]:
    """Execute one case: the reproducible part of each record, and the number of attempts that were needed in all."""
    cpus = 1 if case.accident else math.ceil(case.workers / max(1, case.nodes))
    with cluster_of([cpus] * case.nodes) if case.nodes else nullcontext() as cluster:
        full = [*command, *case.flags, "--workers", str(case.workers), "--out", str(out)]
        if cluster is not None:
            full += ["--engine", "ray", "--ray-address", cluster.address]
        process = subprocess.Popen(full, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if case.accident:
            wait_until(lambda: line_count(out) >= 1, seconds=600)
            happen(case.accident, cluster, process)
        _, errors = process.communicate()
        if case.accident == "driver":
            subprocess.run(full, check=True, capture_output=True)
        elif process.returncode:
            raise SystemExit(f"{case.name}: exit code {process.returncode}\n{errors.decode()}")
    return records_of(out)


def happen(accident: str, cluster: Any, driver: subprocess.Popen[bytes]) -> None:
    """Let something happen to the cluster or the driver."""
    if accident == "node":
        kill_node(cluster, next(iter(cluster.worker_nodes)))
    elif accident == "join":
        add_node(cluster, 1)
    else:
        driver.send_signal(signal.SIGKILL)


def main() -> None:
    """Run all cases and compare."""
    parser = arguments(__doc__)
    parser.add_argument("--cases", default="", help="only rows whose name has this")
    args = parser.parse_args()
    command = [*command_of(args), "--format", "none"]
    if args.suite.startswith("toy"):
        command += ["--set", "env_args.step_seconds=0.02"]  # long enough for something to happen
    first, *others = CASES
    wanted = [first, *(case for case in others if args.cases in case.name)]
    rows, all_equal = compared(wanted, lambda case, out: run_case(case, command, out))
    if args.out:
        args.out.write_text(f"{asked(args)}:\n\n" + "\n".join(rows) + "\n", encoding="utf-8")
    raise SystemExit(0 if all_equal else 1)


if __name__ == "__main__":
    main()
