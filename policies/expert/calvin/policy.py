"""The expert for CALVIN: a script for each task, by ground truth."""

from __future__ import annotations

from collections.abc import Sequence

from mmact_eval.policies.expert.calvin.motion import Motion
from mmact_eval.policies.expert.calvin.scene import Scene
from mmact_eval.policies.expert.calvin.tasks import SOLVERS
from mmact_eval.specs import ActionSpec, PolicySpec
from mmact_eval.types import Episode, PolicyOutput, Query

CHUNK = 8
"""Actions of an answer unless told otherwise."""

ACTION = ActionSpec(
    dim=7,
    control="ee_delta_pose",
    frame="world",
    rotation="euler_xyz",
    gripper="-1 close, +1 open",
    low=-1.0,
    high=1.0,
    hz=30.0,
)


class CalvinExpert:
    """Scripted solutions of CALVIN's tasks on the true state.

    Args:
        chunk: the most actions returned for a query. Motions end where they do whatever it is; a block that is dropped
            is noticed at the next look.
    """

    def __init__(self, chunk: int = CHUNK) -> None:
        self.spec = PolicySpec(
            name="expert",
            action=ACTION,
            chunk=chunk,
            privileged=True,
            deterministic=True,
            chunk_varies=True,
            config={"chunk": chunk},
        )
        self._stages: dict[Episode, _Stage] = {}

    def reset(self, episodes: Sequence[Episode]) -> None:
        """Forget these episodes' progress."""
        for episode in episodes:
            self._stages.pop(episode, None)

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        """Answer each query by itself: (T, 7) float32 actions with 1 ≤ T ≤ chunk, and the sub-task in words.

        Raises:
            UsageError: the observation has no ground truth, or that of another scene.
        """
        return [self._answer(query) for query in queries]

    def _answer(self, query: Query) -> PolicyOutput:
        scene = Scene.of(query.observation.privileged)
        stage = self._stages.get(query.episode)
        if stage is None or query.index == 0 or query.new_stage or stage.task != scene.task:
            stage = self._stages[query.episode] = _Stage(scene)
        motion = stage.motion(scene)
        return PolicyOutput(actions=motion.next(scene.target, self.spec.chunk), text=motion.command.text)


class _Stage:
    """The progress of one stage: the script that runs, and the motion it is in.

    Attributes:
        task: name of the task.
    """

    def __init__(self, scene: Scene) -> None:
        self.task = scene.task
        self._solver = SOLVERS[scene.task]
        self._attempts = 0
        self._script = self._solver(scene, 0)
        self._motion: Motion | None = None

    def motion(self, scene: Scene) -> Motion:
        """What is under way, or comes next. A script that ended without success begins again."""
        while self._motion is None or self._motion.done:
            try:
                command = next(self._script) if self._motion is None else self._script.send(scene)
            except StopIteration:
                self._attempts += 1
                self._script, self._motion = self._solver(scene, self._attempts), None
            else:
                self._motion = Motion(command)
        return self._motion
