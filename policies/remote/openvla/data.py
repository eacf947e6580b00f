"""What OpenVLA's evaluation on LIBERO does outside of the model: images before it, the gripper's sign after it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmact_eval.policies.remote.links.http_link import HttpFailed
from mmact_eval.policies.remote.wire import json_numpy
from mmact_eval.policies.remote.wire.codec import WireError
from mmact_eval.policies.remote.wire.images import centre_crop, jpeg_round_trip, lanczos3
from mmact_eval.policies.remote.wire.layouts import LiberoLayout
from mmact_eval.types import Observation

_SIZE = 224
_CROP = 0.9
"""Share of the area that the centre crop keeps: that of the random crops in training."""


class Preparation:
    """What OpenVLA's evaluation on LIBERO does to the image before the model's own preprocessing.

    Rotated by 180°, through JPEG and a Lanczos filter to 224×224 as the training data were; then the middle 90 % for
    checkpoints trained with random crops. TensorFlow, which the original uses, decodes JPEG with a fast transform and
    Pillow with the exact one: the images differ by one level on average.
    """

    def __init__(self, layout: LiberoLayout, center_crop: bool) -> None:
        self._layout, self._crop = layout, center_crop

    def picture(self, observation: Observation) -> NDArray[np.uint8]:
        """(224, 224, 3)."""
        prepared = lanczos3(jpeg_round_trip(self._layout.upright(observation.images["agentview"])), _SIZE, _SIZE)
        return centre_crop(prepared, _CROP) if self._crop else prepared


def libero_actions(answer: bytes, server: str) -> NDArray[np.float32]:
    """The (T, 7) chunk in an answer, its gripper from "0 closed, 1 open" to LIBERO's "-1 open, +1 close".

    Raises:
        WireError: there is none.
        HttpFailed: the server says that it failed.
    """
    found = json_numpy.loads(answer)
    if isinstance(found, str) and found[:1] in ("{", "["):  # encoded twice: its own option
        found = json_numpy.loads(found)
    if isinstance(found, str) and found == "error":
        raise HttpFailed(f"{server} failed; its log says why (a wrong unnorm_key, say)")
    try:
        actions = np.array(found, np.float64)
    except (TypeError, ValueError) as error:
        raise WireError(f"{server} answered no actions but {answer[:80]!r}") from error
    chunk = actions[np.newaxis] if actions.ndim == 1 else actions
    if chunk.ndim != 2 or chunk.shape[1] == 0:
        raise WireError(f"{server} answered actions of shape {actions.shape}; expected (7,) or (T, 7)")
    chunk[:, -1] = -np.sign(2.0 * chunk[:, -1] - 1.0)
    return chunk.astype(np.float32)
