"""The RoboTwin plug-in: what suites name with ``env: robotwin``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from mmact_eval.envs.robotwin import catalog
from mmact_eval.envs.robotwin.args import RobotwinArgs
from mmact_eval.envs.robotwin.install import installation, vulkan
from mmact_eval.envs.robotwin.seeds import manifest as seeds
from mmact_eval.envs.robotwin.seeds import search
from mmact_eval.envs.robotwin.spec import env_spec
from mmact_eval.errors import UsageError, did_you_mean
from mmact_eval.protocols import Needs, Task
from mmact_eval.specs import EnvSpec
from mmact_eval.suite import Suite
from mmact_eval.types import Episode

if TYPE_CHECKING:
    from mmact_eval.envs.robotwin.env import RobotwinEnv
    from mmact_eval.protocols import Check

_PACKAGES = ("sapien", "mplib", "toppra", "transforms3d", "trimesh")


class RobotwinPlugin:
    """RoboTwin 2.0: a user's checkout (``mode: real``) or what runs without one (``mode: embedded``).

    A suite's ``env_args`` are those of `mmact_eval.envs.robotwin.args.RobotwinArgs`.
    """

    name = "robotwin"
    extra = "robotwin"
    reference = "robotwin-oracle"

    def __init__(self) -> None:
        self._driver: vulkan.Driver | None = None

    @property
    def requires(self) -> tuple[str, ...]:
        """What the simulator imports; nothing of it here where the user has named another interpreter."""
        return () if os.environ.get("ROBOTWIN_PYTHON") else _PACKAGES

    def tasks(self, suite: Suite) -> list[Task]:
        """The tasks of the suite's mode: the primitive ones (embedded) or all fifty.

        Raises:
            UsageError: wrong ``env_args``.
        """
        args = RobotwinArgs.parse(suite.env_args)
        names = catalog.PRIMITIVE if args.mode == "embedded" else tuple(catalog.STEP_LIMITS)
        return [Task(name, catalog.words(name), catalog.EPISODES) for name in names]

    def spec(self, suite: Suite) -> EnvSpec:
        """What the suite's environments offer, and everything in them that is not the real thing.

        Raises:
            UsageError: something in the suite makes no sense.
        """
        return env_spec(suite)

    def prepare_run(
        self, suite: Suite, episodes: Sequence[Episode], workers: int, say: Callable[[str], None]
    ) -> Mapping[str, str]:
        """Make sure that the episodes have accepted seeds, searching for them if need be.

        Args:
            suite: what is evaluated.
            episodes: what is left to be run now.
            workers: simulator processes to search with.
            say: told what happens.

        Returns:
            What the results depend on beyond `versions`: the checkout's commit, and the user's manifest.

        Raises:
            UsageError: something is missing, or the user's manifest holds for something else.
        """
        args = RobotwinArgs.parse(suite.env_args)
        installation.settings(args)
        installation.require_assets(args)
        wanted = search.wanted_columns([(e.task, e.seed, e.init_state) for e in episodes])
        manifest = self.find_seeds(suite, wanted, workers, say)
        facts = {f"seeds made for: {key}": value for key, value in manifest.identity.items()}
        if args.seeds:
            facts["seed manifest"] = manifest.digest()
        return facts

    def find_seeds(
        self, suite: Suite, wanted: Mapping[tuple[str, int], int], workers: int, say: Callable[[str], None]
    ) -> seeds.Manifest:
        """The suite's manifest with so many accepted seeds a column; a user's own manifest is never extended.

        Raises:
            UsageError: something is missing, or the user's manifest has too few seeds.
        """
        return search.find_seeds(suite, wanted, workers, say, lambda: self._chosen_driver().variables)

    def worker_memory_gib(self, environments: int) -> float:
        """See `mmact_eval.optional.TellsMemory`. Each environment is a process of its own, with cameras and planner."""
        return 0.2 + environments

    def prepare_process(self, worker: int, workers: int) -> Mapping[str, str]:
        """Choose the Vulkan driver, and share the cores out for software rendering.

        Raises:
            UsageError: there is no driver.
        """
        cores = len(os.sched_getaffinity(0)) // max(1, workers)
        os.environ.setdefault("LP_NUM_THREADS", str(cores) if cores > 1 else "0")
        return {"vulkan": self._chosen_driver().name}

    def _chosen_driver(self) -> vulkan.Driver:
        if self._driver is None:
            self._driver = vulkan.choose()
        return self._driver

    def make(self, suite: Suite, task: Task, needs: Needs, render_mode: str | None = None) -> RobotwinEnv:
        """Start the simulator of a task (some seconds).

        Raises:
            UsageError: wrong ``env_args``, unknown task or camera, something not installed.
        """
        from mmact_eval.envs.robotwin.env import RobotwinEnv

        known = [found.name for found in self.tasks(suite)]
        if task.name not in known:
            raise UsageError(f'suite {suite.name} has no task "{task.name}".{did_you_mean(task.name, known)}')
        installation.require_assets(RobotwinArgs.parse(suite.env_args))
        return RobotwinEnv(suite, task, needs, self._chosen_driver(), render_mode)

    def versions(self) -> Mapping[str, str]:
        """Versions of what changes physics, pictures or plans in this interpreter; see `prepare_run` for the rest."""
        return installation.versions_under("")

    def setup(self, say: Callable[[str], None]) -> None:
        """Bring what pip cannot: the task code without its pins, and a Vulkan driver; again is harmless.

        Raises:
            UsageError: something cannot be brought.
        """
        from mmact_eval.envs.robotwin.install.setup import set_up

        set_up(say)

    def examine(self, deep: bool) -> Iterator[Check]:
        """What `mmact-eval doctor` says about RoboTwin."""
        from mmact_eval.envs.robotwin.examine import examine

        return examine(deep)
