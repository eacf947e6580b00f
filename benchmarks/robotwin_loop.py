"""How much faster is the harness's RoboTwin environment than the usual evaluation loop?

    python benchmarks/robotwin_loop.py [--episodes 2] [--steps 40] [--cores 1]

One task of the embedded mode, one worker, chunks of 10, three cameras, the same scene seeds and actions for both. The
usual loop is that of RoboTwin's evaluation script and its sample policies: for each episode the expert plays the scene,
the scene is built anew, and an observation of all cameras is taken after every action. The harness knows from its
manifest which seeds the expert solves; the first line of each side is without the expert's play. Each side runs in a
process of its own and is held to as many cores as --cores says; software rendering, unless there is a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmact_eval.config.suite_file import load_suite
from mmact_eval.envs.robotwin import plugin
from mmact_eval.envs.robotwin.args import RobotwinArgs
from mmact_eval.envs.robotwin.install import installation, vulkan
from mmact_eval.envs.robotwin.seeds.manifest import Column, Manifest, Verdict
from mmact_eval.specs import EnvSpec, PolicySpec
from mmact_eval.types import Episode, PolicyOutput, Query

CHUNK = 10
TASK = "stack_blocks_two"
FIRST_SEED = 100_000


def actions(steps: int) -> NDArray[np.float32]:
    """(steps, 14) slow motions of both arms with open grippers."""
    wave = 0.3 * np.sin(np.linspace(0.0, 6.0, steps, dtype=np.float32))[:, None]
    targets = np.repeat(wave, 14, axis=1)
    targets[:, [6, 13]] = 1.0
    return targets


class GivenActions:
    """A policy that looks at all cameras and answers with actions fixed beforehand."""

    def __init__(self, env_spec: EnvSpec, steps: int) -> None:
        self.spec = PolicySpec("given", env_spec.action, chunk=CHUNK, cameras=tuple(env_spec.cameras))
        self._actions = actions(steps)

    def reset(self, episodes: Sequence[Episode]) -> None:
        """Nothing is remembered."""

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        """The next chunk of each."""
        for query in queries:
            dict(query.observation.images)  # look
        return [PolicyOutput(self._actions[query.index * CHUNK : (query.index + 1) * CHUNK]) for query in queries]


def upstream(args: argparse.Namespace) -> dict[str, float]:
    """The usual loop, on upstream's task class: seconds of construction, the expert's play and the episodes."""
    from mmact_eval.envs.robotwin.simulator.runtime import Runtime

    start = time.perf_counter()
    runtime = Runtime(installation.settings(RobotwinArgs.parse(load_suite("robotwin-smoke").env_args)))
    task = runtime.new_task(TASK)
    spent = {"construction": time.perf_counter() - start, "expert": 0.0, "episodes": 0.0}
    for number in range(args.episodes):
        settings = {**runtime.arguments(TASK), "now_ep_num": number, "seed": FIRST_SEED + number, "is_test": True}
        start = time.perf_counter()
        task.setup_demo(**settings)
        task.play_once()
        task.close_env()
        ready = time.perf_counter()
        task.setup_demo(**settings)
        task.get_obs()
        for action in actions(args.steps):
            task.take_action(action, "qpos")
            task.get_obs()
        task.close_env(clear_cache=(number + 2) % settings["clear_cache_freq"] == 0)
        spent["expert"] += ready - start
        spent["episodes"] += time.perf_counter() - ready
    return spent


def harness(args: argparse.Namespace) -> dict[str, float]:
    """The same through the harness: seconds of construction and the episodes."""
    from mmact_eval.protocols import Needs
    from mmact_eval.rollout import run_episode

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "seeds.json"
        changes = (f"env_args.seeds={path}", f"protocol.max_steps={args.steps}")
        suite = load_suite("robotwin-smoke", changes)
        verdicts = [Verdict(FIRST_SEED + number, "", {"unseen": "stack"}) for number in range(args.episodes)]
        identity = installation.identity(RobotwinArgs.parse(suite.env_args))
        Manifest(identity, [Column(TASK, 0, verdicts)]).write(path)
        start = time.perf_counter()
        (task,) = [known for known in plugin.tasks(suite) if known.name == TASK]
        env = plugin.make(suite, task, Needs(cameras=suite.protocol.cameras))
        ready = time.perf_counter()
        policy = GivenActions(env.interface, args.steps)
        for number in range(args.episodes):
            result = run_episode(env, policy, Episode(suite.name, TASK, number, 0), suite.protocol)
            assert result.outcome != "error", result.error
        done = time.perf_counter()
        memory = env.peak_memory_mib()
        env.close()
    return {"construction": ready - start, "expert": 0.0, "episodes": done - ready, "simulator MiB": memory}


def main() -> None:
    """Run both sides and print seconds an episode, episodes an hour and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=2, help="episodes a side (default 2)")
    parser.add_argument("--steps", type=int, default=40, help="actions an episode (default 40)")
    parser.add_argument("--cores", type=int, default=1, help="cores for each side (default 1)")
    parser.add_argument("--side", choices=("upstream", "harness"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        spent = upstream(args) if args.side == "upstream" else harness(args)
        usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        spent["processor"] = sum(one.ru_utime + one.ru_stime for one in usage)
        print(json.dumps(spent))
        return

    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.cores])  # the two sides inherit it
    environment = {
        **os.environ,
        **vulkan.choose().variables,
        "LP_NUM_THREADS": "0" if args.cores == 1 else str(args.cores),
    }
    totals: dict[str, dict[str, float]] = {}
    for side in ("upstream", "harness"):
        command = [sys.executable, __file__, *sys.argv[1:], "--side", side]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
        found = totals[side] = json.loads(done.stdout.splitlines()[-1])
        loop = (found["construction"] + found["episodes"]) / args.episodes
        whole = loop + found["expert"] / args.episodes
        print(
            f"{side:9} {loop:7.1f} s an episode ({3600 / loop:.0f} an hour), with the expert's play {whole:.1f} s "
            f"({3600 / whole:.0f} an hour); construction {found['construction']:.1f} s, {args.episodes} episodes of "
            f"{args.steps} actions {found['episodes']:.1f} s, processor time {found['processor']:.1f} s",
            flush=True,
        )
    ours, theirs = totals["harness"], totals["upstream"]
    loops = [side["construction"] + side["episodes"] for side in (theirs, ours)]
    whole, processor = (loops[0] + theirs["expert"]) / loops[1], theirs["processor"] / ours["processor"]
    print(
        f"ratio     {loops[0] / loops[1]:7.1f}, with the expert's play {whole:.1f} (of processor time {processor:.1f})"
    )
    print(f"memory    {ours['simulator MiB']:7.0f} MiB for a simulator process")


if __name__ == "__main__":
    main()
