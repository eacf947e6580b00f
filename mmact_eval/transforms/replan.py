"""How many actions of a chunk are executed before the policy is asked again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pydantic import Field

from mmact_eval import suite
from mmact_eval.errors import PolicyContractError, UsageError
from mmact_eval.policy_output import checked_actions
from mmact_eval.protocols import Policy
from mmact_eval.rollout import policy_calls
from mmact_eval.suite import Count
from mmact_eval.transforms.base import Settings, TransformedPolicy
from mmact_eval.types import PolicyOutput, Query


class Replan(Settings):
    """``{replan: {steps: 4}}``: the policy is asked again after at most so many actions.

    Unlike ``protocol.replan`` it is refused where the policy's chunks are too short for it, so that two arms with
    different numbers are never the same thing; and so is an answer that is shorter, unless the policy says that its
    chunks vary. It is about the loop: whatever its place in a list, it comes first.
    """

    steps: Count = Field(ge=1)

    def wrap(self, policy: Policy, protocol: suite.Protocol) -> Policy:
        """See `base.Wrapping`.

        Raises:
            UsageError: the chunks are shorter, or the protocol fixes the number.
        """
        name, chunk = policy.spec.name, policy.spec.chunk
        if protocol.replan is not None:
            raise UsageError(
                f"replan: the suite's protocol fixes {protocol.replan} actions a query (protocol.replan); "
                "leave one of the two out, e.g. with --set protocol.replan=null."
            )
        if self.steps > chunk:
            raise UsageError(
                f"replan: policy {name} answers with chunks of {chunk} actions, {self.steps} cannot be executed; "
                "policies that can plan further take --policy-args chunk=…"
            )
        return ReplannedPolicy(policy, self)


class ReplannedPolicy(TransformedPolicy):
    """Wishes for another interval; answers as the inner policy does, with as many actions at least."""

    def __init__(self, inner: Policy, settings: Replan) -> None:
        super().__init__(inner, f"replan {settings.steps}", "replan", settings.model_dump())
        self.spec = replace(self.spec, replan=settings.steps)
        self._steps = settings.steps

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        """The inner answers.

        Raises:
            PolicyContractError: one is too short to be executed so far, from a policy whose chunks do not vary.
        """
        return policy_calls.all_of(policy_calls.changed(self._inner, queries, self._long_enough))

    def _long_enough(self, query: Query, output: PolicyOutput) -> PolicyOutput:
        actions = len(checked_actions(output, self.spec.action.dim))
        if actions < self._steps and not self.spec.chunk_varies:
            raise PolicyContractError(
                f"replan: {self._steps} actions are to be executed for each answer of {self._inner.spec.name}, and one "
                f"holds only {actions}, though its spec promises chunks of {self.spec.chunk} and does not say "
                "chunk_varies=True"
            )
        return output
