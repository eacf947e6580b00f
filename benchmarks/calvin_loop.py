"""How much faster is a chain of CALVIN with pictures when they are asked for than with both cameras at every step?

    python benchmarks/calvin_loop.py                     the real scenes: `mmact-eval setup calvin`
    python benchmarks/calvin_loop.py --world stand-in    boxes, without any download

Both sides play the same actions in the same chains through the same simulation: ours through the environment with a
policy that looks at both cameras every tenth step, the other as upstream's environment does it, which draws both at
every step whoever looks. (Upstream's own step without pictures takes 3.7 ms, this simulation's 1.7.) Then two processes
play chains at once: chains an hour on two cores. Nobody solves anything here, a chain is a number of steps.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np
from numpy.typing import NDArray

from mmact_eval.config.suite_file import load_suite
from mmact_eval.envs.calvin import plugin
from mmact_eval.envs.calvin.chains import ROBOT_OBS, chains
from mmact_eval.protocols import Needs
from mmact_eval.types import Episode

CHUNK = 10
CAMERAS = ("static", "gripper")


def main() -> None:
    """Run both sides, then two of ours at once, and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", choices=("calvin", "stand-in"), default="calvin")
    parser.add_argument("--renderer", choices=("tiny", "egl"), default="tiny")
    parser.add_argument("--chains", type=int, default=2, help="chains a side (default 2)")
    parser.add_argument("--steps", type=int, default=400, help="steps of a chain: five tasks of 80 (default 400)")
    parser.add_argument("--side", choices=("ours", "every-step"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        print(json.dumps(measured(args)))
        return
    found = {side: finished(started(args, side)) for side in ("every-step", "ours")}
    for side, (seconds, memory) in found.items():
        print(f"{side:>11}: {seconds:6.2f} s a chain, {memory:.0f} MiB")
    print(f"      ratio: {found['every-step'][0] / found['ours'][0]:.1f}")
    both = [finished(process) for process in [started(args, "ours"), started(args, "ours")]]
    print(f"two at once: {sum(3600 / seconds for seconds, _ in both):.0f} chains an hour")


def started(args: argparse.Namespace, side: str) -> subprocess.Popen[str]:
    """A process that measures one side."""
    command = [sys.executable, __file__, "--side", side, "--world", args.world, "--renderer", args.renderer]
    command += ["--chains", str(args.chains), "--steps", str(args.steps)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def finished(process: subprocess.Popen[str]) -> tuple[float, float]:
    """Seconds a chain and MiB of a side, when it is done."""
    said = process.communicate()[0]
    if process.returncode:
        sys.exit(process.returncode)
    seconds, memory = json.loads(next(line for line in said.splitlines() if line.startswith("[")))
    return seconds, memory


def measured(args: argparse.Namespace) -> tuple[float, float]:
    """Play the chains. Returns seconds a chain, the environment's construction counted, and the process's peak, MiB."""
    overrides = [f"env_args.world={args.world}", f"env_args.renderer={args.renderer}"]
    suite = load_suite("calvin-abc-d", (*overrides, f"protocol.stage_steps={args.steps}"))
    (task,) = plugin.tasks(suite)
    start = time.perf_counter()
    env = plugin.make(suite, task, Needs(cameras=CAMERAS))
    for chain in range(args.chains):
        actions = noise(chain, args.steps)
        if args.side == "ours":
            observation = env.begin(Episode(suite.name, task.name, chain, 0))
            for first in range(0, args.steps, CHUNK):
                dict(observation.images)  # look
                observation = env.step_chunk(actions[first : first + CHUNK])[0]
            continue
        env.world.reset(ROBOT_OBS, chains()[chain].condition.scene_obs())
        for action in actions:
            env.world.step(action)
            env.world.facts()
            for camera in CAMERAS:
                env.world.picture(camera)
    env.close()
    return (time.perf_counter() - start) / args.chains, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def noise(seed: int, steps: int) -> NDArray[np.float32]:
    """(steps, 7) slow random motions, the gripper open."""
    drawn = np.random.default_rng(seed).uniform(-1, 1, (steps // 20 + 1, 7)).repeat(20, axis=0)[:steps]
    drawn[:, 6] = 1.0
    return drawn.astype(np.float32)


if __name__ == "__main__":
    main()
