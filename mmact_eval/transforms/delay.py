"""Actions that arrive late: computing them, and sending them, takes time in which the world goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mmact_eval import suite
from mmact_eval.policy_output import checked_actions
from mmact_eval.protocols import Policy
from mmact_eval.rollout import effective_replan, policy_calls
from mmact_eval.specs import gripper_columns, still_action
from mmact_eval.suite import Count
from mmact_eval.transforms.base import Settings, TransformedPolicy
from mmact_eval.types import Episode, PolicyOutput, Query
from mmact_eval.wording import counted

Actions = NDArray[np.float32]


class Delay(Settings):
    """``{delay: {steps: 2}}``: each action is executed so many environment steps after its time.

    For the first `steps` steps of an episode, when nothing has arrived yet, the robot stands still, its gripper open;
    they count towards the step limit. From then on actions follow each other without gaps and none is lost, so nothing
    needs to be held. Where a further stage begins, what is under way was meant for the one before and is dropped: the
    robot stands still again for so many steps, its gripper as the last answer of the stage before would have left it.
    0 changes nothing, the policy's name included.
    """

    steps: Count = Field(ge=0)

    def wrap(self, policy: Policy, protocol: suite.Protocol) -> Policy:
        """See `base.Wrapping`.

        Raises:
            UsageError: actions are absolute: which of them stands still is not known before the first observation.
        """
        return DelayedPolicy(policy, self, effective_replan(protocol, policy.spec)) if self.steps else policy


class DelayedPolicy(TransformedPolicy):
    """Shifts the stream of executed actions.

    What is under way is kept for each episode and follows from its queries alone. An answer holds exactly the actions
    that would have been executed for the query without the delay; text, image and extras are the new answer's.
    """

    def __init__(self, inner: Policy, settings: Delay, replan: int) -> None:
        """
        Args:
            inner: the policy.
            settings: how late.
            replan: how many actions are executed for a query, at most.
        """
        steps = settings.steps
        told = f"{counted(steps, 'step')} late"
        super().__init__(inner, told, "delay", settings.model_dump())
        self._replan = replan
        self._at_start = np.tile(still_action(inner.spec.action), (steps, 1))
        self._under_way: dict[Episode, Actions] = {}
        self._last: dict[Episode, Actions] = {}

    def reset(self, episodes: Sequence[Episode]) -> None:
        """Forget what was under way, but not what the gripper was told last: it may hold something."""
        for episode in episodes:
            self._under_way.pop(episode, None)
        super().reset(episodes)

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        """What has arrived by now; the inner answers join what is under way."""
        streams: dict[Episode, Actions] = {}

        def delayed(query: Query, output: PolicyOutput) -> PolicyOutput:
            new = checked_actions(output, self.spec.action.dim)[: self._replan]
            streams[query.episode] = np.concatenate([self._before(query), new])
            return replace(output, actions=streams[query.episode][:-late])

        late = len(self._at_start)
        answers = policy_calls.changed(self._inner, queries, delayed)
        # Only now: a batch in which something raised is asked again, query by query.
        self._under_way |= {episode: stream[-late:] for episode, stream in streams.items()}
        self._last |= {episode: stream[-late - 1] for episode, stream in streams.items()}
        return policy_calls.all_of(answers)

    def _before(self, query: Query) -> Actions:
        if query.index == 0:
            return self._at_start
        if query.new_stage:
            return np.where(gripper_columns(self.spec.action), self._last[query.episode], self._at_start)
        return self._under_way[query.episode]
