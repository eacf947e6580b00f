"""What Ray adds: milliseconds a query, and the overhead of many workers whose simulators take their time.

    python benchmarks/cluster/ray_overhead.py [--queries 600] [--workers 64] [--step-ms 100]

The policy answers at once, so that what is measured is the way there and back with two pictures of 256 × 256. The many
workers sleep in their simulators and share the cores as fractions of a CPU: what is measured is the engine's one loop.
The ideal is what their steps take, shared out evenly; start-up is not counted.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmact_eval.engine.options import EngineOptions
from mmact_eval.evaluation import evaluate
from mmact_eval.machine.capacity import usable_cores
from mmact_eval.specs import EnvSpec, PolicySpec
from mmact_eval.types import Episode, EpisodeResult, PolicyOutput, Query

CHUNK = 4


class Still:
    """Answers at once, and looks at everything, so that everything is sent."""

    def __init__(self, env_spec: EnvSpec) -> None:
        cameras, state = tuple(env_spec.cameras), tuple(env_spec.state)
        self._chunk = np.zeros((CHUNK, env_spec.action.dim), np.float32)
        self.spec = PolicySpec("still", env_spec.action, chunk=CHUNK, cameras=cameras, state=state)

    def reset(self, episodes: Sequence[Episode]) -> None:
        """It remembers nothing."""

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        """No motion."""
        return [PolicyOutput(self._chunk.copy()) for _ in queries]


@dataclass
class Measured:
    """A run from the first result of its workers to the last.

    Attributes:
        seconds: in between.
        cpu_seconds: of processor time that the driver's process took in between.
        results: of what ended in between.
    """

    seconds: float
    cpu_seconds: float
    results: list[EpisodeResult]

    @property
    def queries(self) -> int:
        """How many there were."""
        return sum(result.queries for result in self.results)

    @property
    def query_ms(self) -> float:
        """Median over episodes of the time that a query took, its steps included."""
        return float(np.median([1000 * r.seconds / r.queries for r in self.results]))


def measured(engine: str, workers: int, episodes: int, steps: int, step_seconds: float, address: str) -> Measured:
    """A run on the toy environment; the first result of each worker, with its start-up, is left out."""
    times: list[tuple[float, float]] = []

    def heard(result: EpisodeResult) -> None:
        times.append((time.monotonic(), time.process_time()))

    options = EngineOptions(
        engine=engine, cluster=address if engine == "ray" else "", worker_cpus=min(1.0, usable_cores() / workers)
    )
    changes = {"protocol.max_steps": steps, "protocol.resolution": 256, "env_args.step_seconds": step_seconds}
    results = evaluate(
        Still, "toy", episodes=episodes, workers=workers, changes=changes, options=options, on_episode=heard,
        progress=False,
    )  # fmt: skip
    seconds, cpu_seconds = (last - first for first, last in zip(times[workers - 1], times[-1], strict=True))
    return Measured(seconds, cpu_seconds, list(results.episodes)[workers:])


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--queries", type=int, default=600)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--step-ms", type=float, default=100.0)
    parser.add_argument("--rounds", type=int, default=3, help="episodes of each of the many workers")
    parser.add_argument("--ray-address", default="local")
    args = parser.parse_args()
    per_episode = 60 // CHUNK
    found = {
        engine: measured(engine, 1, max(1, args.queries // per_episode // 2), 60, 0.0, args.ray_address)
        for engine in ("local", "ray")
    }
    print("| engine | ms a query, 1 worker | of the driver's processor |\n|---|---|---|")
    for engine, run in found.items():
        print(f"| {engine} | {run.query_ms:.2f} | {1000 * run.cpu_seconds / run.queries:.2f} |")
    print(f"| Ray adds | {found['ray'].query_ms - found['local'].query_ms:.2f} | |\n")
    steps, step_seconds = 40, args.step_ms / 1000
    episodes = args.workers * args.rounds // 2  # of each of the two tasks
    ideal = steps * step_seconds * (args.rounds - 1)
    print("| engine | workers | queries | seconds | ideal | overhead | ms of the driver's processor a query |")
    print("|---|---|---|---|---|---|---|")
    for engine in ("local", "ray"):
        run = measured(engine, args.workers, episodes, steps, step_seconds, args.ray_address)
        cpu = 1000 * run.cpu_seconds / run.queries
        over = f"{100 * (run.seconds / ideal - 1):.0f} %"
        cells = [engine, args.workers, run.queries, f"{run.seconds:.1f}", f"{ideal:.1f}", over, f"{cpu:.2f}"]
        print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
