"""What a policy gets to see: its own cameras, the ground truth if it asks for it, and arrays that nobody else uses."""

from __future__ import annotations

from dataclasses import replace

from mmact_eval.specs import PolicySpec
from mmact_eval.types import Query


def seen_by(spec: PolicySpec, query: Query) -> Query:
    """The question as a policy with this spec gets it, whoever else watches and whatever they look at.

    Images that only observers want are left out, and so not drawn for it.
    """
    seen = query.observation
    images = {camera: seen.images[camera] for camera in spec.cameras if camera in seen.images}
    truth = seen.privileged if spec.privileged else None
    return replace(query, observation=replace(seen, images=images, privileged=truth).copied())
