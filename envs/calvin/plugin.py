"""The CALVIN plug-in: what suites name with ``env: calvin``."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from typing import TYPE_CHECKING

from mmact_eval.envs.calvin.args import CalvinArgs
from mmact_eval.envs.calvin.chains import chains
from mmact_eval.envs.calvin.spec import env_spec
from mmact_eval.errors import UsageError
from mmact_eval.protocols import Needs, Task
from mmact_eval.specs import EnvSpec
from mmact_eval.suite import Suite

if TYPE_CHECKING:
    from mmact_eval.envs.calvin.env import CalvinEnv

TASK = "chain"


class CalvinPlugin:
    """CALVIN's chains in plain pybullet.

    A suite's ``env_args`` are those of `mmact_eval.envs.calvin.args.CalvinArgs`.
    """

    name = "calvin"
    extra = "calvin"
    requires = ("pybullet",)
    reference = "expert"

    def tasks(self, suite: Suite) -> list[Task]:
        """One task, whose init states are the chains.

        Raises:
            UsageError: wrong ``env_args``.
        """
        CalvinArgs.parse(suite.env_args)
        return [Task(TASK, f"{suite.protocol.stages} tasks one after another", len(chains()))]

    def spec(self, suite: Suite) -> EnvSpec:
        """What the suite's environments offer.

        Raises:
            UsageError: something in the suite makes no sense.
        """
        return env_spec(suite)

    def prepare_process(self, worker: int, workers: int) -> Mapping[str, str]:
        """Nothing to choose: pictures are drawn as the suite says."""
        return {}

    def make(self, suite: Suite, task: Task, needs: Needs, render_mode: str | None = None) -> CalvinEnv:
        """Load the scene (0.3 s, later ones 0.1 s).

        Raises:
            UsageError: wrong ``env_args``, unknown task or camera, assets or pybullet missing.
        """
        from mmact_eval.envs.calvin.env import CalvinEnv
        from mmact_eval.envs.calvin.world import World

        if task.name != TASK:
            raise UsageError(f'suite {suite.name} has one task, "{TASK}", and no "{task.name}"')
        args = CalvinArgs.parse(suite.env_args)
        return CalvinEnv(suite, task, needs, World("D", renderer=args.renderer), render_mode)

    def versions(self) -> Mapping[str, str]:
        """Versions of what changes physics, pictures or numbers; "missing" for what is not installed."""
        return {package: _version(package) for package in ("pybullet", "numpy", "scipy")}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "missing"
