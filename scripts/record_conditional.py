"""Draws the initial states of the conditional tasks with upstream's own samplers, and keeps those that come to rest.

    python scripts/record_conditional.py [--states 50]

Each scene is reset with seed after seed, as upstream's environments are; where something hangs in the air or slides
after the protocol's settling, or a drawer is not open as the scene says, the next seed is taken. Written are the
states before settling, as LIBERO's own.
"""

from __future__ import annotations

import argparse

import numpy as np

from mmact_eval.config.suite_file import load_suite
from mmact_eval.envs.libero import catalog
from mmact_eval.envs.libero.checks.settled import free_objects, not_at_rest
from mmact_eval.envs.libero.conditional.files import STATES, scene_name
from mmact_eval.envs.libero.conditional.tasks import BENCHMARKS, Branch, conditional_tasks
from mmact_eval.envs.libero.plugin import LiberoPlugin
from mmact_eval.envs.libero.simulation.simulation import Simulation
from mmact_eval.envs.libero.spec import SETTLE_ACTION
from mmact_eval.envs.libero.task_files import LiberoTask


def drawn(branch: Branch, task: LiberoTask, count: int, settle_steps: int) -> tuple[np.ndarray, int]:
    """(count, 1 + nq + nv) states, and how many were drawn for them."""
    from robosuite.utils.errors import RandomizationError

    simulation = Simulation(task.bddl_file)
    one_set = list(simulation.samplers)
    kept: list[np.ndarray] = []
    seed = 0
    while len(kept) < count:
        np.random.seed(seed)
        seed += 1
        simulation.samplers[:] = one_set
        try:
            simulation.reset()
        except RandomizationError:
            continue
        state = simulation.flat_state()
        simulation.set_init_state(state)
        for _ in range(settle_steps):
            simulation.step(np.array(SETTLE_ACTION))
        problem = simulation.problem
        placed = all(
            problem._eval_predicate([name.lower(), *about])
            for name, *about in branch.scene.states
            if not about[-1].startswith(branch.scene.ground[0])  # "on" a place of it means wholly within
        )
        done = problem._eval_predicate([branch.goal[0].lower(), *branch.goal[1:]])
        if placed and not done and not not_at_rest(free_objects(problem)):
            kept.append(state)
    simulation.close()
    return np.stack(kept), seed


def main() -> None:
    """Draw and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--states", type=int, default=50, help="of each scene (default 50)")
    args = parser.parse_args()
    LiberoPlugin().prepare_process(0, 1)
    STATES.mkdir(exist_ok=True)
    for benchmark in BENCHMARKS:
        suite = load_suite(benchmark.replace("_", "-"))
        tasks = iter(catalog.benchmark_tasks(benchmark))
        for task in conditional_tasks(benchmark):
            for number, branch in enumerate(task.branches):
                file = STATES / f"{scene_name(task, number)}.npz"
                libero_task = next(tasks)
                if file.exists():
                    continue
                states, tried = drawn(branch, libero_task, args.states, suite.protocol.settle_steps)
                np.savez_compressed(file, states=states)
                print(f"{libero_task.name}: {len(states)} of {tried} drawn, {file.name}", flush=True)


if __name__ == "__main__":
    main()
