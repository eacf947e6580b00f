"""What opening a LIBERO task costs a worker: time to build it and to its first picture, and memory.

In fresh processes, one after another and in one run: LIBERO's own loop; mmact-eval with its cache of compiled models
turned off; with an empty cache; and with the model in the cache. Processor seconds are of the process and of what it
started; on a machine that does something else besides, they are the ones to look at.

    python benchmarks/libero/start.py --suite libero-spatial --suite libero-long --task 4
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
from collections.abc import Iterator
from contextlib import contextmanager

from mmact_eval.config.suite_file import load_suite
from mmact_eval.envs.libero import plugin
from mmact_eval.envs.libero.checks.reference import UpstreamLoop
from mmact_eval.envs.libero.checks.verify import smooth_actions
from mmact_eval.envs.libero.compiled.models import VARIABLE
from mmact_eval.machine.user_folders import CACHE_VARIABLE
from mmact_eval.protocols import Needs
from mmact_eval.types import Episode

WAYS = ("LIBERO's own loop", "without a cache", "empty cache", "model in the cache")


def main() -> None:
    """Measure what was asked for and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", action="append", help="more than once for several; by default libero-spatial")
    parser.add_argument("--task", type=int, default=0, help="number of the task in each suite")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    args = parser.parse_args()
    suites = args.suite or ["libero-spatial"]
    if args.measure:
        print(json.dumps(measured(suites[0], args.task, args.measure)))
        return
    print("| suite, task | | imports | build | first picture | build and picture | most memory | memory then |")
    print("|---|---|---|---|---|---|---|---|")
    for suite in suites:
        with tempfile.TemporaryDirectory() as cache:
            for way in WAYS:
                found = in_a_process(suite, args.task, way, cache)
                times = [
                    f"{found[f'{what} CPU']:.1f} ({found[what]:.1f}) s" for what in ("imports", "build", "picture")
                ]
                total = f"{found['build CPU'] + found['picture CPU']:.1f} s"
                memory = [f"{found[what]:.0f} MiB" for what in ("peak", "then")]
                print("|", " | ".join([f"{suite}, {args.task}", way, *times, total, *memory]), "|", flush=True)
    print("\nProcessor time (time on the clock); memory of the process alone, not of the one that compiles.")


def in_a_process(suite: str, task: int, way: str, cache: str) -> dict[str, float]:
    """What `measured` finds in a fresh interpreter that uses this folder for caches."""
    command = [sys.executable, __file__, "--suite", suite, "--task", str(task), "--measure", way]
    environment = {**os.environ, CACHE_VARIABLE: cache, VARIABLE: "0" if way == "without a cache" else ""}
    # What numba compiles once and keeps is not what is measured.
    environment.setdefault("NUMBA_CACHE_DIR", os.path.join(tempfile.gettempdir(), f"numba-{os.getuid()}"))
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measured(suite_name: str, number: int, way: str) -> dict[str, float]:
    """Seconds and MiB of opening a task in this process and looking at it once."""
    found: dict[str, float] = {}
    with timed(found, "imports"):
        plugin.prepare_process(0, 1)
    suite = load_suite(suite_name, ("env_args.physics=any",))
    task = plugin.tasks(suite)[number]
    episode = Episode(suite.name, task.name, 0, 7)
    if way == WAYS[0]:
        from mmact_eval.envs.libero import catalog

        # It draws while it is built, so both are one.
        with timed(found, "build"):
            loop = UpstreamLoop(suite, catalog.find_task(str(suite.env_args["benchmark"]), task.name), seed=7)
        close = loop.close
        found |= {"picture": 0.0, "picture CPU": 0.0}
    else:
        with timed(found, "build"):
            env = plugin.make(suite, task, Needs(cameras=("agentview",)))
        observation = env.begin(episode)
        with timed(found, "picture"):
            assert observation.images["agentview"].any()
        env.step_chunk(smooth_actions(5, "start"))
        close = env.close
    found["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with open("/proc/self/statm") as statm:
        found["then"] = int(statm.read().split()[1]) * resource.getpagesize() / 2**20
    close()
    return found


@contextmanager
def timed(found: dict[str, float], what: str) -> Iterator[None]:
    """Note the seconds that pass, on the clock and of processors."""
    clock, used = time.perf_counter(), processor_seconds()
    yield
    found[what] = time.perf_counter() - clock
    found[f"{what} CPU"] = processor_seconds() - used


def processor_seconds() -> float:
    """Of this process and of those it has started and waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


if __name__ == "__main__":
    main()
