"""What a server has answered, out of a map from the wire. Keys that are not used are not looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmact_eval.policies.remote.wire.codec import Unreadable, WireError
from mmact_eval.types import PolicyOutput


def actions_of(answer: object, server: str, keys: Sequence[str] = ("actions",)) -> Any:
    """The chunk in an answer; one action by itself becomes a chunk of one.

    Args:
        answer: a message.
        server: whose.
        keys: the names that actions may have, the first that is there counts.

    Raises:
        WireError: there is none.
    """
    found = answer if isinstance(answer, Mapping) else {}
    key = next((key for key in keys if key in found), None)
    if key is None:
        told = ", ".join(sorted(map(str, found))) if isinstance(answer, Mapping) else type(answer).__name__
        raise WireError(
            f'the answer of {server} holds no "{keys[0]}" (but: {told[:200]}); does it speak this protocol?'
        )
    if isinstance(found[key], Unreadable):
        raise WireError(f'"{key}" in the answer of {server} cannot be read: {found[key].why}')
    try:
        actions = np.asarray(found[key])
    except (TypeError, ValueError) as error:
        raise WireError(f"the actions of {server} are no array: {error}") from error
    return actions[np.newaxis] if actions.ndim == 1 and actions.size else actions


def is_chunk(actions: NDArray[Any], dim: int) -> bool:
    """Whether it is (T, dim). What is not is the engine's to refuse: it says which shape was expected."""
    return actions.ndim == 2 and actions.shape[1] == dim


def output_of(answer: Mapping[str, Any], actions: Any) -> PolicyOutput:
    """What a server answered; servers of ours also pass on what the policy has generated and said of itself."""
    text, image, timing = answer.get("text"), answer.get("image"), answer.get("server_timing")
    figures = answer.get("figures")
    is_picture = isinstance(image, np.ndarray) and image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8
    return PolicyOutput(
        actions=actions,
        text=text if isinstance(text, str) else None,
        image=image if is_picture else None,
        extras={
            **({"server_timing": dict(timing)} if isinstance(timing, dict) else {}),
            **({"figures": dict(figures)} if isinstance(figures, Mapping) else {}),
        },
    )
