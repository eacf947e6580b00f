"""Actions rounded to bins, as a model that writes actions as tokens must."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from mmact_eval import suite
from mmact_eval.policy_output import checked_actions
from mmact_eval.protocols import Policy
from mmact_eval.rollout import policy_calls
from mmact_eval.specs import ActionSpec
from mmact_eval.suite import Count
from mmact_eval.transforms.base import Settings, TransformedPolicy
from mmact_eval.types import PolicyOutput, Query


class Quantize(Settings):
    """``{quantize: {bins: 256}}``: every number of an action, the gripper's too, becomes the nearest of `bins` values.

    The values are evenly spaced over the action's range, both ends included, as MM-ACT's are. With an even number of
    bins none of them is the middle of the range: a delta of exactly 0 becomes half a spacing.
    """

    bins: Count = Field(ge=2, le=65536)

    def wrap(self, policy: Policy, protocol: suite.Protocol) -> Policy:
        """See `base.Wrapping`; works with any policy."""
        return QuantizedPolicy(policy, self)


class QuantizedPolicy(TransformedPolicy):
    """Rounds what the inner policy answers."""

    def __init__(self, inner: Policy, settings: Quantize) -> None:
        super().__init__(inner, f"{settings.bins} bins", "quantize", settings.model_dump())
        self._bins = settings.bins

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        """The inner answers with their actions rounded."""
        return policy_calls.all_of(policy_calls.changed(self._inner, queries, self._rounded))

    def _rounded(self, query: Query, output: PolicyOutput) -> PolicyOutput:
        action = self.spec.action
        return replace(output, actions=quantized(checked_actions(output, action.dim), action, self._bins))


def quantized(actions: ArrayLike, action: ActionSpec, bins: int) -> NDArray[np.float32]:
    """The nearest of `bins` evenly spaced values in the action's range; what lies outside is clipped."""
    low, reach = action.low, action.high - action.low
    numbers = np.clip(np.asarray(actions, np.float64), action.low, action.high)
    index = np.rint((numbers - low) / reach * (bins - 1))
    rounded: NDArray[np.float32] = (low + index / (bins - 1) * reach).astype(np.float32)
    return rounded
