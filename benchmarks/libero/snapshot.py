"""What does keeping the simulation for later pictures cost, in the ways there are to copy it?

    python benchmarks/libero/snapshot.py                 # libero-spatial, first task
    python benchmarks/libero/snapshot.py --suite libero-long --task 2 --steps 400

LIBERO's environment copies the simulation once a control step (`envs/libero/simulation/data_copy.py`). Alternatives:
MuJoCo's own `mj_copyData`, which its Python bindings lack below 3.4, and `copy.copy`, which makes a new `MjData` each
time. All run in turns on one scene in one process; printed are milliseconds of processor time per copy and per control
step with it, the ratio to ours, and the memory that the copy takes.
"""

from __future__ import annotations

import argparse
import copy
import resource
import time
from collections.abc import Callable

from mmact_eval.config.suite_file import load_suite
from mmact_eval.envs.libero import catalog, plugin

ROUNDS = 5


def milliseconds(work: Callable[[], object], times: int) -> float:
    """Processor time of one call, over `times` of them."""
    start = time.process_time()
    for _ in range(times):
        work()
    return 1000 * (time.process_time() - start) / times


def main() -> None:
    """Measure in turns, print the smallest of each way's rounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", default="libero-spatial")
    parser.add_argument("--task", type=int, default=0)
    parser.add_argument("--steps", type=int, default=200, help="control steps a round")
    arguments = parser.parse_args()
    plugin.prepare_process(0, 1)

    import mujoco
    import numpy as np

    from mmact_eval.envs.libero.simulation.data_copy import DataCopy
    from mmact_eval.envs.libero.simulation.simulation import Simulation
    from mmact_eval.envs.libero.spec import SETTLE_ACTION

    benchmark = str(load_suite(arguments.suite).env_args["benchmark"])
    task = catalog.benchmark_tasks(benchmark)[arguments.task]
    simulation = Simulation(task.bddl_file)
    simulation.reset()
    model, data = simulation.problem.sim.model._model, simulation.problem.sim.data._data
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ours = DataCopy(model, data)
    ours.take()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    ways: dict[str, Callable[[], object]] = {"ours": ours.take, "copy.copy": lambda: copy.copy(data)}
    if hasattr(mujoco, "mj_copyData"):
        other = mujoco.MjData(model)
        ways["mj_copyData"] = lambda: mujoco.mj_copyData(other, model, data)

    still = np.array(SETTLE_ACTION)
    snapshot = simulation.renderer._snapshot
    copies: dict[str, list[float]] = {name: [] for name in ways}
    steps: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, take in ways.items():
            snapshot._copy.take = take  # type: ignore[method-assign]
            copies[name].append(milliseconds(take, arguments.steps))
            steps[name].append(milliseconds(lambda: simulation.step(still), arguments.steps))
    print(
        f"{arguments.suite}, task {arguments.task}, MuJoCo {mujoco.__version__}; our copy takes {grown / 1024:.1f} MiB"
    )
    for name in ways:
        copied, stepped = min(copies[name]), min(steps[name])
        print(
            f"{name:12} {copied:7.3f} ms a copy ({copied / min(copies['ours']):6.1f} times ours)"
            f"  {stepped:7.2f} ms a step ({stepped / min(steps['ours']):.3f})"
        )


if __name__ == "__main__":
    main()
