"""How much faster is the harness's LIBERO environment than the usual evaluation loop?

    python benchmarks/libero/loop.py --episodes 10 --steps 60

One worker, one task, chunks of 10, two cameras at 256×256, the same episodes and actions for both, environment
construction counted. The usual loop is the one of openpi's, OpenVLA-OFT's and MM-ACT's LIBERO scripts: build the
environment once a task, then hard reset, settle, and get both images at every step. Each side runs in a process of its
own; importing the libraries (the same for both) is not counted. Software rendering, unless MUJOCO_GL says otherwise.

Each side is held to one core, as on a machine that runs a worker on every core; --cores gives both more, which Mesa's
renderer uses.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mmact_eval.specs import EnvSpec, PolicySpec
from mmact_eval.types import Episode, PolicyOutput, Query

CHUNK = 10


class GivenActions:
    """A policy that looks at both cameras and answers with actions fixed beforehand."""

    def __init__(self, env_spec: EnvSpec, actions: Mapping[Episode, NDArray[np.float32]]) -> None:
        self.spec = PolicySpec("given", env_spec.action, chunk=CHUNK, cameras=tuple(env_spec.cameras))
        self._actions = actions

    def reset(self, episodes: Sequence[Episode]) -> None:
        """It remembers nothing."""

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        """The next chunk of each."""
        for query in queries:
            dict(query.observation.images)  # look
        return [PolicyOutput(self._actions[q.episode][q.index * CHUNK : (q.index + 1) * CHUNK]) for q in queries]


def main() -> None:
    """Run both sides and print seconds per episode and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", default="libero-object")
    parser.add_argument("--task", type=int, default=0, help="index of the task (default 0)")
    parser.add_argument("--episodes", type=int, default=3, help="episodes a side (default 3)")
    parser.add_argument("--steps", type=int, default=30, help="actions an episode, settling not counted (default 30)")
    parser.add_argument("--cores", type=int, default=1, help="cores for each side (default 1)")
    parser.add_argument("--side", choices=("upstream", "harness"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        print(json.dumps(run(args)))
        return

    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.cores])  # the two sides inherit it
    totals: dict[str, dict[str, float]] = {}
    for side in ("upstream", "harness"):
        environment = {"MUJOCO_GL": "osmesa", **os.environ}
        command = [sys.executable, __file__, *sys.argv[1:], "--side", side]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
        totals[side] = json.loads(done.stdout.splitlines()[-1])
        seconds = totals[side]["construction"] + totals[side]["episodes"]
        print(
            f"{side:9} {seconds / args.episodes:7.2f} s an episode"
            f" (construction {totals[side]['construction']:.1f} s, {args.episodes} episodes of {args.steps} steps"
            f" {totals[side]['episodes']:.1f} s; processor time {totals[side]['processor']:.1f} s in all)",
            flush=True,
        )
    upstream, harness = totals["upstream"], totals["harness"]
    wall = (upstream["construction"] + upstream["episodes"]) / (harness["construction"] + harness["episodes"])
    print(f"ratio     {wall:7.2f} (of processor time {upstream['processor'] / harness['processor']:.2f})")


def run(args: argparse.Namespace) -> dict[str, float]:
    """One side: wall-clock seconds for construction and for all episodes, and processor seconds of both together."""
    from mmact_eval.config.suite_file import load_suite
    from mmact_eval.envs.libero import catalog, plugin
    from mmact_eval.envs.libero.checks.verify import smooth_actions
    from mmact_eval.envs.libero.upstream import load_simulator
    from mmact_eval.protocols import Needs
    from mmact_eval.rollout import run_episode

    suite = load_suite(args.suite, ("protocol.seed_mode=upstream", f"protocol.max_steps={args.steps}"))
    task = plugin.tasks(suite)[args.task]
    if args.side == "harness":
        plugin.prepare_process(0, 1)
    load_simulator()
    from mmact_eval.envs.libero.checks.reference import UpstreamLoop
    from mmact_eval.envs.libero.env import LiberoEnv  # noqa: F401

    todo = {
        Episode(suite.name, task.name, index, 7): smooth_actions(args.steps, "benchmark", index)
        for index in range(args.episodes)
    }

    start, processor = time.perf_counter(), time.process_time()
    if args.side == "upstream":
        libero_task = catalog.find_task(catalog.LiberoArgs.of(suite).benchmark, task.name)
        loop = UpstreamLoop(suite, libero_task, seed=7)
        ready = time.perf_counter()
        for episode, actions in todo.items():
            loop.run(episode, actions, CHUNK)
    else:
        env = plugin.make(suite, task, Needs(cameras=suite.protocol.cameras))
        ready = time.perf_counter()
        policy = GivenActions(env.interface, todo)
        for episode in todo:
            result = run_episode(env, policy, episode, suite.protocol)
            assert result.outcome != "error", result.error
    return {
        "construction": ready - start,
        "episodes": time.perf_counter() - ready,
        "processor": time.process_time() - processor,
    }


if __name__ == "__main__":
    main()
