"""The `expert` policy for LIBERO: solves tasks from simulator ground truth, to check an environment and to have
something good.

It outputs actions only and sees what `Observation.privileged` holds; it never touches the simulator.
"""

from __future__ import annotations

from collections.abc import Sequence

from mmact_eval.policies.expert.moving.motion import CLOSE, OPEN, Command, plan_chunk
from mmact_eval.policies.expert.plan import Plan
from mmact_eval.policies.expert.world import World
from mmact_eval.specs import ActionSpec, PolicySpec
from mmact_eval.types import Episode, PolicyOutput, Query

ACTION = ActionSpec(
    dim=7,
    control="ee_delta_pose",
    frame="base",
    rotation="axis_angle",
    gripper=f"{OPEN:g} open, {CLOSE:+g} close",
    low=-1.0,
    high=1.0,
    hz=20.0,
)


class ExpertPolicy:
    """Scripted pick and place on the true state, planned anew at every query.

    Args:
        chunk: the most actions returned for a query; shorter chunks correct more often and cost more queries.
        steady: hold things alike in scenes that are alike. Many things can be held in several ways that are nearly as
            good, and which of them is best is then decided by a hair; demonstrations that differ where the pictures do
            not are hard to learn from.
    """

    def __init__(self, chunk: int = 5, steady: bool = False) -> None:
        config = {"chunk": chunk, **({"steady": True} if steady else {})}
        self.spec = PolicySpec(
            name="expert-steady" if steady else "expert",
            action=ACTION,
            chunk=chunk,
            privileged=True,
            deterministic=True,
            chunk_varies=True,
            config=config,
        )
        self._steady = steady
        self._plans: dict[Episode, Plan] = {}

    def reset(self, episodes: Sequence[Episode]) -> None:
        """Forget these episodes' progress."""
        for episode in episodes:
            self._plans.pop(episode, None)

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        """Answer each query by itself: (T, 7) float32 actions with 1 ≤ T ≤ chunk, and the sub-task in words.

        Raises:
            UsageError: the observation has no ground truth, or the goal needs a skill that the expert lacks.
        """
        return [self._answer(query) for query in queries]

    def _answer(self, query: Query) -> PolicyOutput:
        world = World(query.observation.privileged, self._steady)
        if query.index == 0 or query.episode not in self._plans:
            self._plans[query.episode] = Plan(world)
        command = self._plans[query.episode].next(world)
        if command is None:
            command = Command(world.robot.position, world.robot.rotation, OPEN, "done")
        return PolicyOutput(actions=plan_chunk(world.robot, command, self.spec.chunk), text=command.text)
