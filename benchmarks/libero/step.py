"""What does a control step of LIBERO cost beyond MuJoCo's own work?

    python benchmarks/libero/step.py                                  # libero-spatial, first task
    python benchmarks/libero/step.py --suite libero-goal --task 3 --steps 100

The same episode in four ways, in turns in one process, nothing drawn; printed are milliseconds of processor time per
control step of 50 ms and the ratio to the floor:

- **floor**: MuJoCo alone. The commands of every substep are played back, with the runs of the constraint solver that
  the installed version needs for upstream's bits (`envs/libero/simulation/substep.py`).
- **harness**: our step.
- **robosuite's controller**: our step, but each torque from robosuite's own controller object.
- **upstream**: LIBERO's unmodified `step`, observations without cameras.

All end in the same state, bit for bit, or the program says which does not.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmact_eval.config.suite_file import load_suite
from mmact_eval.envs.libero import catalog, plugin
from mmact_eval.protocols import Needs
from mmact_eval.types import Episode

if TYPE_CHECKING:
    from mmact_eval.envs.libero.simulation.simulation import Simulation


class Way(NamedTuple):
    """How to bring an episode to its first action, do its n-th control step, and read where it has got to."""

    begin: Callable[[], object]
    step: Callable[[int], object]
    state: Callable[[], NDArray[np.float64]]


class Played:
    """An episode's commands substep by substep, and their playback through MuJoCo alone."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._commands: list[NDArray[np.float64]] = []

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """Remember what stands in `data.ctrl` at the end of each substep."""
        substep, data = self._simulation._substep, self._simulation._data
        end = substep.end

        def end_and_remember() -> None:
            self._commands.append(np.array(data.ctrl))
            end()

        substep.end = end_and_remember  # type: ignore[method-assign]
        try:
            yield
        finally:
            del substep.end

    def step(self, number: int) -> None:
        """MuJoCo's work of one control step."""
        substep, data = self._simulation._substep, self._simulation._data
        count = self._simulation._substep_count
        for command in self._commands[number * count : (number + 1) * count]:
            substep.begin()
            substep.again()
            data.ctrl[:] = command
            substep.end()


def main() -> None:
    """Measure in turns, print the median and the smallest of each way's rounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", default="libero-spatial")
    parser.add_argument("--task", type=int, default=0, help="index of the task (default 0)")
    parser.add_argument("--steps", type=int, default=60, help="control steps a round (default 60)")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    plugin.prepare_process(0, 1)

    import mujoco

    from mmact_eval.envs.libero.checks.reference import UpstreamLoop
    from mmact_eval.envs.libero.checks.verify import smooth_actions
    from mmact_eval.envs.libero.simulation.substep import runs_start_from_the_last_run

    suite = load_suite(arguments.suite, ("protocol.seed_mode=episode", "env_args.physics=any"))
    task = plugin.tasks(suite)[arguments.task]
    episode = Episode(suite.name, task.name, 0, 7)
    actions = smooth_actions(arguments.steps, "benchmark", 0)
    env = plugin.make(suite, task, Needs())
    simulation = env.simulation
    libero_task = catalog.find_task(catalog.LiberoArgs.of(suite).benchmark, task.name)
    upstream = UpstreamLoop(suite, libero_task, episode.seed, cameras=False)
    initialize = upstream.problem._initialize_sim

    def initialize_as_with_cameras(xml: str | None = None) -> None:
        """Making a render context calls `forward`, which may change where the solver starts from."""
        initialize(xml)
        upstream.problem.sim.forward()

    upstream.problem._initialize_sim = initialize_as_with_cameras

    def begin(as_robosuite: bool) -> None:
        simulation._arm.as_robosuite = as_robosuite
        env.begin(episode)

    begin(as_robosuite=False)
    played = Played(simulation)
    with played.recording():
        for action in actions:
            simulation.step(action)
    ways = {
        "floor": Way(lambda: begin(False), played.step, simulation.flat_state),
        "harness": Way(lambda: begin(False), lambda n: simulation.step(actions[n]), simulation.flat_state),
        "robosuite's controller": Way(
            lambda: begin(True), lambda n: simulation.step(actions[n]), simulation.flat_state
        ),
        "upstream": Way(
            lambda: upstream.settle(episode),
            lambda n: upstream._env.step(actions[n].tolist()),
            lambda: upstream._env.get_sim_state(),
        ),
    }
    spent: dict[str, list[float]] = {name: [] for name in ways}
    finals: dict[str, bytes] = {}
    for _ in range(arguments.rounds):
        for name, way in ways.items():
            way.begin()
            before = time.process_time()
            for number in range(arguments.steps):
                way.step(number)
            spent[name].append(1000 * (time.process_time() - before) / arguments.steps)
            finals[name] = way.state().tobytes()

    runs = 3 if runs_start_from_the_last_run() else 1
    print(f"{suite.name}, task {arguments.task}, MuJoCo {mujoco.__version__}, runs of the solver a substep: {runs}")
    floor = float(np.median(spent["floor"]))
    for name, rounds in spent.items():
        median = float(np.median(rounds))
        equal = "" if finals[name] == finals["floor"] else "  ENDS IN ANOTHER STATE"
        print(f"{name:22} {median:7.2f} ms a step (smallest {min(rounds):6.2f}) {median / floor:6.2f} x floor{equal}")


if __name__ == "__main__":
    main()
