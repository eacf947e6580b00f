"""The CALVIN plug-in: what suites name with ``env: calvin``."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from mmact_eval.envs.calvin.args import CalvinArgs
from mmact_eval.envs.calvin.assets import find_assets
from mmact_eval.envs.calvin.chains import chains, sentences
from mmact_eval.envs.calvin.install.published import require_published
from mmact_eval.envs.calvin.spec import env_spec
from mmact_eval.envs.calvin.world.bullet import how_to_install
from mmact_eval.envs.calvin.world.scenes import SCENES
from mmact_eval.errors import UsageError
from mmact_eval.protocols import Needs, Task
from mmact_eval.specs import EnvSpec
from mmact_eval.suite import Suite
from mmact_eval.types import Episode

if TYPE_CHECKING:
    from mmact_eval.envs.calvin.env import CalvinEnv
    from mmact_eval.protocols import Check

TASK, SCENE = "chain", "D"


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

    def prepare_run(
        self, suite: Suite, episodes: Sequence[Episode], workers: int, say: Callable[[str], None]
    ) -> Mapping[str, str]:
        """Look at the assets, and say so where scenes are repeated.

        Returns:
            What the results depend on beyond `versions`: hashes of the assets and of the chains with their scenes, and
            which OpenGL draws, if one does.

        Raises:
            UsageError: wrong ``env_args``; assets are missing or not as published; there is no EGL.
        """
        args = CalvinArgs.parse(suite.env_args)
        if args.blocks == "published" and len({episode.init_state for episode in episodes}) < len(episodes):
            say(
                f"There are {len(chains())} published scenes: further rounds repeat them with another seed of the "
                "policy and are no new scenes (env_args.blocks=resampled draws new ones)."
            )
        _, digest = _assets(args)
        facts = {"CALVIN assets": digest, "CALVIN chains": _chains_digest()}
        if args.renderer == "egl":
            from mmact_eval.envs.calvin.checks.opengl import opengl

            facts["OpenGL"] = opengl()
        return facts

    def worker_memory_gib(self, environments: int) -> float:
        """See `mmact_eval.optional.TellsMemory`."""
        return 0.1 + 0.1 * environments

    def prepare_process(self, worker: int, workers: int) -> Mapping[str, str]:
        """Nothing to choose: pictures are drawn as the suite says."""
        return {}

    def make(self, suite: Suite, task: Task, needs: Needs, render_mode: str | None = None) -> CalvinEnv:
        """Load the scene (0.3 s, later ones 0.1 s).

        Raises:
            UsageError: wrong ``env_args``, unknown task or camera, pybullet missing; assets missing or not as
                published.
        """
        from mmact_eval.envs.calvin.env import CalvinEnv
        from mmact_eval.envs.calvin.world import World

        if task.name != TASK:
            raise UsageError(f'suite {suite.name} has one task, "{TASK}", and no "{task.name}"')
        args = CalvinArgs.parse(suite.env_args)
        folder, _ = _assets(args)
        return CalvinEnv(suite, task, needs, World(SCENE, folder, args.renderer), render_mode)

    def versions(self) -> Mapping[str, str]:
        """pybullet's version, or "missing".

        numpy and scipy are not among them: states are the same bits with numpy 1.26 and 2.4, and the scenes that numpy
        draws are hashed in `prepare_run`.
        """
        try:
            return {"pybullet": metadata.version("pybullet")}
        except metadata.PackageNotFoundError:
            return {"pybullet": "missing"}

    def how_to_install(self) -> str:
        """What to do where pybullet is missing: there are Pythons without wheels of it."""
        return how_to_install()

    def setup(self, say: Callable[[str], None]) -> None:
        """Download CALVIN's assets (5 MB; the rest is in pybullet) into the cache; again is harmless.

        Raises:
            UsageError: they cannot be brought.
        """
        from mmact_eval.envs.calvin.install.setup import set_up

        set_up(say)

    def setup_from(self, source: Path, say: Callable[[str], None]) -> None:
        """The same from a checkout of mees/calvin_env or mees/calvin, or from a folder of assets.

        Raises:
            UsageError: it has not all of them as they were published.
        """
        from mmact_eval.envs.calvin.install.setup import set_up_from

        set_up_from(source, say)

    def examine(self, deep: bool) -> Iterator[Check]:
        """What `mmact-eval doctor` says about CALVIN."""
        from mmact_eval.envs.calvin.checks.examine import examine

        return examine()


def _assets(args: CalvinArgs) -> tuple[Path, str]:
    """The folder of assets that these arguments mean, and a hash of its content."""
    if args.world == "stand-in":
        from mmact_eval.envs.calvin.stand_in import stand_in_assets, stand_in_digest

        return stand_in_assets(), f"stand-in {stand_in_digest()}"
    folder = find_assets()
    return folder, require_published(folder, SCENE)


@functools.cache
def _chains_digest() -> str:
    """Hash of what is asked in which scenes, as this machine's numpy draws them."""
    digest = hashlib.blake2b(repr(sentences()).encode(), digest_size=16)
    for chain in chains():
        digest.update(repr(chain.tasks).encode() + chain.condition.scene_obs().astype("<f8").tobytes())
    for position, euler in SCENES[SCENE].loading_poses():
        digest.update(repr([float(number) for number in (*position, *euler)]).encode())
    return digest.hexdigest()
