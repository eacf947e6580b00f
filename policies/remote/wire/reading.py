"""Images, vectors and texts out of a request from the wire, each checked to be one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmact_eval.policies.remote.wire.codec import Unreadable, WireError


def picture_of(thing: object, name: object) -> NDArray[np.uint8]:
    """An (H, W, 3) uint8 image from the wire.

    Raises:
        WireError: it is none.
    """
    if not isinstance(thing, np.ndarray) or thing.dtype != np.uint8 or thing.ndim != 3 or thing.shape[2] != 3:
        raise WireError(f'image "{name}" must be (H, W, 3) uint8, not {_kind(thing)}')
    return np.ascontiguousarray(thing)


def pictures_in(request: Mapping[str, Any]) -> dict[str, NDArray[np.uint8]]:
    """The images of a request by their keys, nested ones with a slash; (3, H, W) ones as (H, W, 3)."""
    found: dict[str, NDArray[np.uint8]] = {}
    for key, value in request.items():
        if isinstance(value, Mapping):
            found |= {f"{key}/{name}": picture for name, picture in pictures_in(value).items()}
        elif isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim == 3:
            found[key] = value.transpose(1, 2, 0) if value.shape[0] == 3 else value
    return found


def vector_of(thing: object, name: object) -> NDArray[np.float64]:
    """A float64 vector from the wire.

    Raises:
        WireError: it is none.
    """
    if isinstance(thing, Unreadable):
        raise WireError(f"{name} must be a vector of numbers, not {_kind(thing)}")
    try:
        vector = np.asarray(thing, np.float64)
    except (TypeError, ValueError) as error:
        raise WireError(f"{name} must be a vector of numbers: {error}") from error
    if vector.ndim != 1:
        raise WireError(f"{name} must be a vector, not of shape {vector.shape}")
    return vector


def parts_of(thing: object, parts: Mapping[str, int]) -> dict[str, NDArray[np.float64]]:
    """The state vectors that make up a vector from the wire.

    Args:
        thing: the vector.
        parts: name and length of each, in order.

    Raises:
        WireError: it is none, or has another length.
    """
    vector = vector_of(thing, "the state")
    if len(vector) != sum(parts.values()):
        what = ", ".join(f"{key} {dim}" for key, dim in parts.items())
        raise WireError(f"the state has {len(vector)} numbers; expected {sum(parts.values())}: {what}")
    ends = np.cumsum(list(parts.values()))
    return dict(zip(parts, np.split(vector, ends[:-1]), strict=True))


def instruction_of(request: Mapping[str, Any], *keys: str) -> str:
    """The instruction of a request, which may be the empty text but not missing.

    Args:
        request: from the wire.
        keys: the names that it may have, the first that is there counts.

    Raises:
        WireError: there is none, or it is no text; names the keys that were received.
    """
    key = next((key for key in keys if request.get(key) is not None), None)
    if key is None:
        told = ", ".join(f'"{name}"' for name in request) or "nothing"
        raise WireError(f'the request holds no instruction: "{keys[0]}" must be text; received: {told[:500]}')
    thing = request[key]
    if isinstance(thing, np.ndarray) and thing.dtype.kind in "US" and thing.size == 1:
        thing = thing.item()
        thing = thing.decode(errors="replace") if isinstance(thing, bytes) else thing
    if not isinstance(thing, str):
        raise WireError(f'the instruction ("{key}") must be text, not {_kind(thing)}')
    return thing


def map_of(request: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A map within a request; an empty one if there is none.

    Raises:
        WireError: it is something else.
    """
    found = request.get(key, {})
    if not isinstance(found, Mapping):
        raise WireError(f'"{key}" must be a map, not {_kind(found)}')
    return found


def _kind(thing: object) -> str:
    if isinstance(thing, Unreadable):
        return f"what cannot be read ({thing.why})"
    return f"{thing.dtype} {thing.shape}" if isinstance(thing, np.ndarray) else type(thing).__name__
