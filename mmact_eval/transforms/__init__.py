"""Transforms wrap any policy, to ask what something would cost it: coarse actions, delay, a missing camera,
a world that does not wait.

One file each. They compose, appear in the policy's name and fingerprint, and leave text and images as they are. What
they do depends on the episode and its queries alone: not on batches, workers or order.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import model_validator

from mmact_eval import suite
from mmact_eval.protocols import Policy
from mmact_eval.transforms.base import Settings, Wrapping
from mmact_eval.transforms.delay import Delay
from mmact_eval.transforms.drop_camera import DropCamera
from mmact_eval.transforms.quantize import Quantize
from mmact_eval.transforms.realtime import Realtime
from mmact_eval.transforms.replan import Replan


class Transform(Settings):
    """One entry of a list of transforms, such as ``{quantize: {bins: 256}}``: exactly one field is there."""

    delay: Delay | None = None
    drop_camera: DropCamera | None = None
    quantize: Quantize | None = None
    realtime: Realtime | None = None
    replan: Replan | None = None

    @model_validator(mode="after")
    def _one(self) -> Transform:
        if sum(getattr(self, name) is not None for name in type(self).model_fields) != 1:
            raise ValueError("each entry of the list is one transform, as in {quantize: {bins: 256}}")
        return self

    @property
    def settings(self) -> Wrapping:
        """The settings of the one that is there."""
        found: Wrapping = next(value for name in type(self).model_fields if (value := getattr(self, name)) is not None)
        return found


def transformed(policy: Policy, transforms: Sequence[Transform], protocol: suite.Protocol) -> Policy:
    """The policy with all transforms around it, the first innermost.

    `Replan` goes before all others, which have to know how many actions are executed, and of several the last counts.

    Raises:
        UsageError: one of them makes no sense for this policy or protocol.
    """
    intervals = [transform for transform in transforms if transform.replan is not None]
    others = [transform for transform in transforms if transform.replan is None]
    for transform in (*intervals[-1:], *others):
        policy = transform.settings.wrap(policy, protocol)
    return policy
