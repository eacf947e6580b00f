"""What does a picture of LIBERO's cost, drawn as MuJoCo does and with the triangles that leave a trace?

    python benchmarks/libero/picture.py --size 256

In software (OSMesa, then EGL on Mesa, whichever is there), along an episode of random actions in which both cameras are
looked at every ten steps, as a policy with chunks of ten does: each episode one way, then the other. Processor time, in
milliseconds a picture; the pixels are compared as well.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

CAMERAS = {"agentview": "agentview", "wrist": "robot0_eye_in_hand"}


def main() -> None:
    """Run each backend in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--suites", nargs="+", default=["libero-spatial", "libero-object", "libero-goal", "libero-long"]
    )
    parser.add_argument("--tasks", nargs="+", type=int, default=[0, 5], help="indices of tasks (default 0 and 5)")
    parser.add_argument("--size", type=int, default=256, help="pixels a side (default 256)")
    parser.add_argument("--looks", type=int, default=6, help="times that both cameras are looked at (default 6)")
    parser.add_argument("--gl", choices=("osmesa", "egl"), help="one backend alone, in this process")
    args = parser.parse_args()
    if args.gl:
        measure(args)
        return
    for gl in ("osmesa", "egl"):
        environment = {**os.environ, "MUJOCO_GL": gl, "PYOPENGL_PLATFORM": gl}
        command = [sys.executable, __file__, *sys.argv[1:], "--gl", gl]
        if subprocess.run(command, env=environment, check=False).returncode:
            print(f"{gl}: cannot be used here")


def measure(args: argparse.Namespace) -> None:
    """Print a line for each suite and camera, and one for all."""
    from mmact_eval.machine.gl import choose_gl

    choose_gl()
    totals = np.zeros(2)
    for name in args.suites:
        times: dict[str, list[tuple[float, float]]] = {camera: [] for camera in CAMERAS}
        for task in args.tasks:
            along_an_episode(name, task, args, times)
        for camera, rows in times.items():
            everything, less = 1000 * np.mean(rows, axis=0)
            totals += everything, less
            print(
                f"{args.gl:6} {name:14} {camera:9} {everything:6.1f} -> {less:5.1f} ms, ratio {everything / less:.2f}"
            )
    print(f"{args.gl:6} all{'':21} ratio {totals[0] / totals[1]:.2f}", flush=True)


def along_an_episode(
    name: str, task: int, args: argparse.Namespace, times: dict[str, list[tuple[float, float]]]
) -> None:
    """Add (all triangles, few) of each picture to `times`, but for the first of each camera, which compiles."""
    from mmact_eval.config.suite_file import load_suite
    from mmact_eval.envs.libero import plugin
    from mmact_eval.protocols import Needs
    from mmact_eval.types import Episode

    suite = load_suite(name, ("protocol.settle_steps=2",))
    which = plugin.tasks(suite)[task]
    env: Any = plugin.make(suite, which, Needs(cameras=tuple(CAMERAS)))
    drawing = env.simulation.renderer._current()
    if drawing.everything:
        sys.exit("this is not Mesa's software renderer")
    actions = np.random.default_rng(task).uniform(-1, 1, size=(args.looks, 10, 7)).astype(np.float32)
    found: dict[bool, list[tuple[str, float, NDArray[np.uint8]]]] = {True: [], False: []}
    for everything in found:
        drawing.everything = everything
        env.begin(Episode(suite.name, which.name, 0, 7))
        for look in range(args.looks):
            for camera, known_as in CAMERAS.items():
                number = env.simulation._model.camera(known_as).id
                started = time.process_time()
                pixels = drawing.picture(number, args.size, args.size)
                found[everything].append((camera if look else "", time.process_time() - started, pixels))
            env.step_chunk(actions[look])
    for (camera, slow, one), (_, fast, other) in zip(found[True], found[False], strict=True):
        if not np.array_equal(one, other):
            sys.exit(f"{name} task {task}, {camera}: the pixels differ")
        if camera:
            times[camera].append((slow, fast))
    env.close()


if __name__ == "__main__":
    main()
