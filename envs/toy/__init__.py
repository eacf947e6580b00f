"""The toy environment: a point reacher in numpy, and the template for environment authors.

An environment plug-in is one object, here `plugin`, that an entry point in the group ``mmact_eval.envs`` names.
Everything but `make` answers without importing the simulator, so that listing and checking stay fast:

- ``args.py``: what a suite may write in ``env_args``, checked with clear messages;
- ``world.py``: the "simulator": scenes, dynamics, pictures;
- ``stages.py``: several targets one after another, where the protocol has stages;
- ``env.py``: the `gymnasium.Env` that the engine drives;
- ``gym_ids.py``: its id, for people who want `gymnasium.make`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mmact_eval.envs.toy.args import ToyArgs
from mmact_eval.envs.toy.stages import MOST_STAGES
from mmact_eval.errors import UsageError, did_you_mean
from mmact_eval.protocols import Needs, Task
from mmact_eval.specs import ActionSpec, EnvSpec, StateSpec

if TYPE_CHECKING:
    from mmact_eval.envs.toy.env import ToyEnv
    from mmact_eval.suite import Suite

CAMERAS = ("top", "side")
INIT_STATES = 20
INSTRUCTIONS = {
    "easy": "move the blue point to the red target",
    "hard": "move the blue point through the gap in the wall to the red target",
}
_MOVES = "x, y: 1 is 0.05 m"


class ToyPlugin:
    """Implements `mmact_eval.protocols.EnvPlugin`; see there for what each method promises."""

    name = "toy"
    extra = ""
    requires: tuple[str, ...] = ()
    reference = "toy"

    def tasks(self, suite: Suite) -> list[Task]:
        self._check(suite)
        return [Task(name, instruction, INIT_STATES) for name, instruction in INSTRUCTIONS.items()]

    def spec(self, suite: Suite) -> EnvSpec:
        self._check(suite)
        protocol = suite.protocol
        return EnvSpec(
            name=self.name,
            cameras=dict.fromkeys(protocol.cameras, (protocol.resolution, protocol.resolution)),
            image_convention=f"rotated {protocol.rotation}°" if protocol.rotation else "upright",
            state={
                "position": StateSpec(2, "x, y of the point in the world frame, m"),
                "target": StateSpec(2, "x, y of the target in the world frame, m"),
            },
            action=ActionSpec(dim=2, control="position_delta", frame="world", hz=10.0, description=_MOVES),
            privileged=True,
            not_real="toy world, not a benchmark",
            disturbable=True,
            stages=MOST_STAGES,
        )

    def prepare_process(self, worker: int, workers: int) -> Mapping[str, str]:
        return {}  # pictures are drawn by numpy: there is no GL backend to choose

    def make(self, suite: Suite, task: Task, needs: Needs) -> ToyEnv:
        from mmact_eval.envs.toy.env import ToyEnv

        if task.name not in INSTRUCTIONS:
            raise UsageError(f'toy has no task "{task.name}".{did_you_mean(task.name, INSTRUCTIONS)}')
        return ToyEnv(self.spec(suite), suite, task, needs, ToyArgs.parse(suite.env_args))

    def versions(self) -> Mapping[str, str]:
        return {"toy": "1"}  # raised whenever the same actions would lead elsewhere or look different

    def _check(self, suite: Suite) -> None:
        """Refuse what this environment cannot do, naming the suite and the field."""
        ToyArgs.parse(suite.env_args)
        for camera in suite.protocol.cameras:
            if camera not in CAMERAS:
                raise UsageError(
                    f'suite {suite.name}, protocol.cameras: toy has no camera "{camera}", only '
                    f"{', '.join(CAMERAS)}.{did_you_mean(camera, CAMERAS)}"
                )
        if suite.protocol.seed_mode != "episode":
            raise UsageError(
                f"suite {suite.name}, protocol.seed_mode: toy has no upstream loop to follow; write `episode`"
            )


plugin = ToyPlugin()
