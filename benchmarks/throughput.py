"""Episodes an hour and control steps a second for a suite, as users count them: the whole way, simulator and pictures.

    python benchmarks/throughput.py [--suite libero-object] [--tasks 0-3] [--episodes 8] [--policy-ms 50,200]
        [--workers 1,2] [--replicas 0,1] [--json FILE]

The policy acts as the expert does, so that episodes end as those of a good policy, and takes its time for a call,
whatever the batch, as a large model on a GPU does. It looks at both cameras, as vision-language-action policies do, and
gives at most five actions for an answer. Counted is from when each worker has had its first episode until the first has
no more: building environments, which a long run does once a task, is told apart.

vla-eval has published 2,000 episodes of LIBERO in 18 minutes: 6,667 episodes an hour, 486 observations a second, on one
H100 with 50 shards and batches of 16 (a step is an observation there: pictures of every step are drawn and sent).
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from mmact_eval import evaluate, registry
from mmact_eval.engine.options import EngineOptions
from mmact_eval.rollout import policy_calls
from mmact_eval.specs import EnvSpec
from mmact_eval.types import Episode, EpisodeResult, PolicyOutput, Query


class SlowExpert:
    """The expert, who looks at all cameras and takes his time."""

    def __init__(self, env_spec: EnvSpec, seconds: float) -> None:
        self._expert = registry.make_policy("expert", {}, env_spec).policy
        self.spec = replace(self._expert.spec, name="slow-expert", cameras=tuple(env_spec.cameras))
        self._seconds = seconds

    def reset(self, episodes: Sequence[Episode]) -> None:
        policy_calls.reset(self._expert, episodes)

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        time.sleep(self._seconds)
        return [output for output in policy_calls.act(self._expert, queries) if isinstance(output, PolicyOutput)]


@dataclass(frozen=True)
class Row:
    """A measurement.

    Attributes:
        policy_ms, workers, replicas: of the run; 0 replicas: the policy is in the engine's process.
        episodes_per_hour, steps_per_second, queries_per_second: in the middle of the run.
        steps: of an episode, the mean.
        start_seconds: until each worker has had its first episode.
        waiting: share of the workers' time in which they waited for an answer.
        processor: share of the machine's cores that was in use.
        success: share of episodes that succeeded.
    """

    policy_ms: int
    workers: int
    replicas: int
    episodes_per_hour: float
    steps_per_second: float
    queries_per_second: float
    steps: float
    start_seconds: float
    waiting: float
    processor: float
    success: float


def measure(policy_ms: int, workers: int, replicas: int, args: argparse.Namespace) -> Row:
    """Run the suite's tasks, each with as many episodes."""
    done: list[tuple[float, EpisodeResult]] = []
    began = time.monotonic()
    used = os.times()
    with tempfile.TemporaryDirectory() as folder:
        evaluate(
            f"{__file__}:SlowExpert",
            args.suite,
            tasks=args.tasks,
            episodes=args.episodes,
            workers=workers,
            policy_replicas=replicas,
            out=Path(folder) / "run",
            policy_args={"seconds": policy_ms / 1000},
            options=EngineOptions(max_batch=16),
            on_episode=lambda result: done.append((time.monotonic(), result)) or False,  # type: ignore[func-returns-value]
            progress=False,
        )
    now = os.times()
    took = time.monotonic() - began
    seconds = now.user + now.system + now.children_user + now.children_system
    seconds -= used.user + used.system + used.children_user + used.children_system
    since, middle = done[workers - 1][0], done[workers : len(done) - workers + 1]
    lasted = middle[-1][0] - since
    results = [result for _, result in middle]
    return Row(
        policy_ms,
        workers,
        replicas,
        episodes_per_hour=3600 * len(results) / lasted,
        steps_per_second=sum(result.steps for result in results) / lasted,
        queries_per_second=sum(result.queries for result in results) / lasted,
        steps=sum(result.steps for result in results) / len(results),
        start_seconds=since - began,
        waiting=sum(result.wait_seconds for result in results) / (workers * lasted),
        processor=seconds / took / (os.cpu_count() or 1),
        success=sum(result.outcome == "success" for result in results) / len(results),
    )


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--suite", default="libero-object", help="default libero-object")
    parser.add_argument("--tasks", default="0-3", help="as of `mmact-eval run` (default 0-3)")
    parser.add_argument("--episodes", type=int, default=8, help="per task (default 8)")
    parser.add_argument("--policy-ms", type=_numbers, default=[50, 200], help="a call of the policy (default 50,200)")
    parser.add_argument("--workers", type=_numbers, default=[1, 2], help="default 1,2")
    parser.add_argument("--replicas", type=_numbers, default=[0, 1], help="default 0,1")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    args = parser.parse_args()
    print(f"{args.suite}, tasks {args.tasks}, {args.episodes} episodes each; {os.cpu_count()} processor cores\n")
    print("policy  workers  replicas  episodes/h  steps/s  queries/s  steps  start  waiting  cores  success")
    rows = []
    for policy_ms, replicas, workers in itertools.product(args.policy_ms, args.replicas, args.workers):
        row = measure(policy_ms, workers, replicas, args)
        rows.append(row)
        print(
            f"{policy_ms:3d} ms  {workers:7d}  {replicas:8d}  {row.episodes_per_hour:10.0f}  "
            f"{row.steps_per_second:7.1f}  {row.queries_per_second:9.1f}  {row.steps:5.0f}  "
            f"{row.start_seconds:3.0f} s  {100 * row.waiting:5.0f} %  "
            f"{100 * row.processor:3.0f} %  {100 * row.success:5.0f} %",
            flush=True,
        )
    if args.json:
        args.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")


if __name__ == "__main__":
    main()
