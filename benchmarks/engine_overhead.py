"""What the engine itself costs: overhead per policy query, and throughput with a policy that takes its time.

    python benchmarks/engine_overhead.py [--image-size 256] [--json FILE]

The first table is the time from a worker's question to the answer in its hands, less the policy's own time: pickling
two images, a pipe each way, scheduling. The second lets a policy sleep 50 ms a call, whatever the batch, as a GPU
roughly does: with more workers the batches grow and the queries per second with them. The third line is what it costs
a run to say how it is doing (``live.json``), with as many processes as there are workers.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmact_eval.config.suite_file import load_suite
from mmact_eval.engine.arms import EngineArm
from mmact_eval.engine.local import make_engine
from mmact_eval.engine.options import EngineOptions, EngineReport
from mmact_eval.runs.files.live import EVERY
from mmact_eval.runs.files.live_status import LiveStatus
from mmact_eval.specs import EnvSpec, PolicySpec
from mmact_eval.types import Episode, EpisodeResult, PolicyOutput, Query


class SleepingPolicy:
    """Random actions after a nap; looks at both cameras."""

    def __init__(self, env_spec: EnvSpec, seconds: float) -> None:
        self.spec = PolicySpec("sleeping", env_spec.action, chunk=1, replan=1, cameras=tuple(env_spec.cameras))
        self._seconds = seconds

    def reset(self, episodes: Sequence[Episode]) -> None: ...

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        if self._seconds:
            time.sleep(self._seconds)
        return [PolicyOutput(query.rng().uniform(-1, 1, (1, 2)).astype(np.float32)) for query in queries]


def measure(workers: int, policy_seconds: float, step_seconds: float, size: int, episodes: int) -> dict[str, Any]:
    """Run on the toy environment and return what it took."""
    from mmact_eval import registry

    suite = load_suite("toy", [f"protocol.resolution={size}", f"env_args.step_seconds={step_seconds}"])
    plugin = registry.env_plugin("toy")
    policy = SleepingPolicy(plugin.spec(suite), policy_seconds)
    planned = [Episode("toy", "hard", k % 20, k // 20) for k in range(episodes)]
    results: list[EpisodeResult] = []
    with tempfile.TemporaryDirectory() as folder:
        started: list[float] = []
        arm = EngineArm(
            suite, policy, planned, results.append, on_ready=lambda _: started.append(time.perf_counter()),
            log_folder=folder,
        )  # fmt: skip
        engine = make_engine([arm], EngineOptions(workers=workers))
        engine.run()
    seconds = time.perf_counter() - started[0]
    queries = sum(result.queries for result in results)
    # The first query of an episode waits for nothing else, but the very first warms everything up.
    overhead = [
        (result.wait_seconds - sum(result.latencies)) / result.queries for result in results[1:] if result.queries
    ]
    return {
        "workers": workers,
        "policy_ms": 1000 * policy_seconds,
        "queries": queries,
        "queries_per_second": queries / seconds,
        "mean_batch": engine.reports[0].queries / max(1, engine.reports[0].batches),
        "overhead_ms": 1000 * float(np.median(overhead)),
    }


class _Counts:
    done = advanced = 1


class _Idle:
    """An engine as `LiveStatus` sees it."""

    problems = (None,)
    reports = (EngineReport({k: {} for k in range(8)}, dict.fromkeys(range(8), 500.0)),)

    def run(self) -> None: ...


def telling(processes: int, times: int = 200) -> float:
    """Milliseconds of this process for one writing of ``live.json``."""
    started = [subprocess.Popen(["sleep", "600"]) for _ in range(processes)]
    try:
        with tempfile.TemporaryDirectory() as folder:
            status = LiveStatus({Path(folder): (100, _Counts())}, _Idle())
            began = time.process_time()
            for _ in range(times):
                status.write()
            return 1000 * (time.process_time() - began) / times
    finally:
        for process in started:
            process.kill()
            process.wait()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--image-size", type=int, default=256, help="two cameras of this size (default 256)")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    args = parser.parse_args()

    print("Overhead per query, one worker, policy takes no time")
    alone = [measure(1, 0.0, 0.0, size, 10) for size in (64, args.image_size)]
    for size, row in zip((64, args.image_size), alone, strict=True):
        print(f"  two {size}×{size} images: {row['overhead_ms']:.2f} ms a query ({row['queries']} queries)")

    print("\nA policy that sleeps 50 ms a call; environment steps of 50 ms")
    print("  workers  queries/s  times one worker  mean batch")
    rows = [measure(workers, 0.05, 0.05, 64, 4 * workers) for workers in (1, 2, 4, 8)]
    for row in rows:
        ratio = row["queries_per_second"] / rows[0]["queries_per_second"]
        print(f"  {row['workers']:7d}  {row['queries_per_second']:9.1f}  {ratio:15.2f}×  {row['mean_batch']:10.1f}")
    told = telling(8)
    share = told / EVERY / 10
    print(f"\nTelling how the run is doing, 8 workers: {told:.2f} ms every {EVERY:g} s, {share:.3f} % of a core")
    if args.json:
        args.json.write_text(json.dumps({"overhead": alone, "scaling": rows, "telling_ms": told}, indent=2) + "\n")


if __name__ == "__main__":
    main()
