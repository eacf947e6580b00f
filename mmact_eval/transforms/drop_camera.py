"""A camera that shows nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import Field

from mmact_eval import suite
from mmact_eval.errors import UsageError, did_you_mean
from mmact_eval.protocols import Policy
from mmact_eval.rollout import policy_calls
from mmact_eval.transforms.base import Settings, TransformedPolicy
from mmact_eval.types import PolicyOutput, Query


class DropCamera(Settings):
    """``{drop_camera: {camera: wrist}}``: the policy gets a black image from this camera.

    ``camera: [wrist, gripper]`` is the first of these that it looks at: benchmarks have other names for the same.
    """

    camera: str | Annotated[tuple[str, ...], Field(min_length=1)]

    def wrap(self, policy: Policy, protocol: suite.Protocol) -> Policy:
        """See `base.Wrapping`.

        Raises:
            UsageError: the policy does not look at this camera, so that nothing would change.
        """
        cameras = policy.spec.cameras
        names = (self.camera,) if isinstance(self.camera, str) else self.camera
        found = next((name for name in names if name in cameras), None)
        if found is None:
            asked = " or ".join(f'"{name}"' for name in names)
            raise UsageError(
                f"drop_camera: policy {policy.spec.name} does not look at a camera {asked}; it looks at "
                f"{', '.join(cameras) or 'none'}.{did_you_mean(names[0], cameras)}"
            )
        return BlindedPolicy(policy, found)


class BlindedPolicy(TransformedPolicy):
    """Blackens one image of each observation."""

    def __init__(self, inner: Policy, camera: str) -> None:
        super().__init__(inner, f"no {camera}", "drop_camera", {"camera": camera})
        self._camera = camera

    def act(self, queries: Sequence[Query]) -> Sequence[PolicyOutput]:
        """The inner answers to what is left to see."""
        return policy_calls.all_of(policy_calls.act(self._inner, [self._blinded(query) for query in queries]))

    def _blinded(self, query: Query) -> Query:
        images = dict(query.observation.images)
        images[self._camera] = np.zeros_like(images[self._camera])
        return replace(query, observation=replace(query.observation, images=images))
