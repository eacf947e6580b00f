"""Queries a second against workers and replicas of the policy, with one that takes its time as a large model does.

    python benchmarks/scaling.py [--engines local] [--workers 8,32] [--replicas 0,1,2,4] [--policy-ms 200] [--json FILE]

The policy sleeps for a call, whatever the batch (200 ms for at most 16 queries: about an 8B model on one GPU), and the
environment for a step, so that neither takes a processor. Each query brings two pictures. Measured is the middle of a
run: from when each worker has had an episode until the first has no more. "Busy" is the share of that time in which a
replica was in a call: what is missing to 100 % under full load is the time in which a GPU would wait for the engine.

A second table is what a query costs beside the policy: one worker, pictures, a policy that takes no time.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from mmact_eval import evaluate
from mmact_eval.engine.options import EngineOptions
from mmact_eval.specs import EnvSpec, PolicySpec
from mmact_eval.types import Episode, EpisodeResult, PolicyOutput, Query

_CHUNK = 8


class SleepingPolicy:
    """Random chunks after a nap; looks at all cameras, and writes down when it was in a call."""

    def __init__(self, env_spec: EnvSpec, seconds: float, folder: str) -> None:
        self.spec = PolicySpec("sleeping", env_spec.action, chunk=_CHUNK, cameras=tuple(env_spec.cameras))
        self._seconds = seconds
        self._file = Path(folder) / f"calls-{os.getpid()}.json"
        self._calls: list[tuple[float, float]] = []

    def reset(self, episodes: Sequence[Episode]) -> None: ...

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        start = time.monotonic()  # one clock for all processes of a machine
        if self._seconds:
            time.sleep(self._seconds)
        outputs = [PolicyOutput(query.rng().uniform(-1, 1, (_CHUNK, 2)).astype(np.float32)) for query in queries]
        self._calls.append((start, time.monotonic()))
        return outputs

    def close(self) -> None:
        self._file.write_text(json.dumps(self._calls))


@dataclass(frozen=True)
class Row:
    """A measurement.

    Attributes:
        engine, policy_ms, workers, replicas: of the run; 0 replicas: the policy is in the engine's process.
        queries_per_second: in the middle of the run.
        mean_batch: queries in a call, of the whole run.
        busy: share of the middle in which a replica was in a call, the mean of all.
        wait_ms: median over episodes of what a query waits for its answer.
        load: of the machine, over a minute, at the end.
    """

    engine: str
    policy_ms: int
    workers: int
    replicas: int
    queries_per_second: float
    mean_batch: float
    busy: float
    wait_ms: float
    load: float


def measure(engine: str, policy_ms: int, workers: int, replicas: int, args: argparse.Namespace) -> Row:
    """Run on the toy environment, all of whose episodes are as long."""
    each = args.episodes
    done: list[tuple[float, EpisodeResult]] = []
    with tempfile.TemporaryDirectory() as folder:
        results = evaluate(
            f"{__file__}:SleepingPolicy",
            "toy",
            tasks="hard",
            episodes=workers * each,
            workers=workers,
            policy_replicas=replicas,
            out=Path(folder) / "run",
            policy_args={"seconds": policy_ms / 1000, "folder": folder},
            changes={
                "protocol.max_steps": _CHUNK * args.queries,
                "protocol.resolution": args.image_size,
                "env_args.step_seconds": args.step_ms / 1000,
            },
            options=EngineOptions(engine=engine, max_batch=args.max_batch, policy_timeout=60),
            on_episode=lambda result: done.append((time.monotonic(), result)) or False,  # type: ignore[func-returns-value]
            progress=False,
        )
        calls = [json.loads(file.read_text()) for file in Path(folder).glob("calls-*.json")]
        assert results.outcome is not None
        report = results.outcome.engine
    middle = done[workers:-workers]
    since, until = done[workers - 1][0], middle[-1][0]
    in_calls = sum(max(0.0, min(end, until) - max(start, since)) for start, end in itertools.chain(*calls))
    waits = [result.wait_seconds / result.queries for _, result in middle]
    return Row(
        engine,
        policy_ms,
        workers,
        replicas,
        queries_per_second=sum(result.queries for _, result in middle) / (until - since),
        mean_batch=report.queries / max(1, report.batches),
        busy=in_calls / (until - since) / max(1, replicas),
        wait_ms=1000 * float(np.median(waits)),
        load=os.getloadavg()[0],
    )


def overhead_ms(engine: str, replicas: int, size: int, episodes: int = 20) -> float:
    """What a query takes beside the policy: the median over episodes, one worker."""
    with tempfile.TemporaryDirectory() as folder:
        results = evaluate(
            f"{__file__}:SleepingPolicy",
            "toy",
            tasks="hard",
            episodes=episodes,
            policy_replicas=replicas,
            policy_args={"seconds": 0.0, "folder": folder},
            changes={"protocol.resolution": size, "protocol.max_steps": 40 * _CHUNK},
            options=EngineOptions(engine=engine),
            progress=False,
        )
        found = [(r.wait_seconds - sum(r.latencies)) / r.queries for r in results.episodes[1:]]
    return 1000 * float(np.median(found))


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--engines", default="local", help="names, with commas (default local)")
    parser.add_argument("--workers", type=_numbers, default=[8, 32], help="default 8,32")
    parser.add_argument("--replicas", type=_numbers, default=[0, 1, 2, 4], help="default 0,1,2,4")
    parser.add_argument("--policy-ms", type=_numbers, default=[200], help="a call of the policy (default 200)")
    parser.add_argument("--max-batch", type=int, default=16, help="most queries in a call (default 16)")
    parser.add_argument("--step-ms", type=float, default=15.0, help="a step of the environment (default 15)")
    parser.add_argument("--queries", type=int, default=4, help="of each episode (default 4)")
    parser.add_argument("--episodes", type=int, default=10, help="of each worker (default 10)")
    parser.add_argument("--image-size", type=int, default=256, help="of the pictures (default 256)")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    args = _arguments()
    engines = args.engines.split(",")
    print(
        f"A policy that sleeps for at most {args.max_batch} queries with two pictures of {args.image_size} px each; "
        f"{_CHUNK} steps of {args.step_ms:g} ms for each answer; {os.cpu_count()} processor cores\n"
    )
    print("engine  policy  workers  replicas  queries/s  mean batch  busy   wait  load")
    rows = []
    for engine, policy_ms, replicas, workers in itertools.product(engines, args.policy_ms, args.replicas, args.workers):
        row = measure(engine, policy_ms, workers, replicas, args)
        rows.append(row)
        print(
            f"{engine:6s}  {policy_ms:3d} ms  {workers:7d}  {replicas:8d}  {row.queries_per_second:9.1f}  "
            f"{row.mean_batch:10.1f}  {100 * row.busy:3.0f} %  {row.wait_ms:3.0f} ms  {row.load:4.1f}",
            flush=True,
        )
    print(f"\nWhat a query with its {args.image_size} px pictures takes beside the policy, one worker")
    beside = {}
    for engine, replicas in itertools.product(engines, (0, 1)):
        found = beside[f"{engine} {replicas}"] = overhead_ms(engine, replicas, args.image_size)
        where = "one replica" if replicas else "the policy in the engine's process"
        print(f"{engine:6s}  {where:35s}  {found:5.2f} ms")
    if args.json:
        figures = {"scaling": [asdict(row) for row in rows], "beside_ms": beside}
        args.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
