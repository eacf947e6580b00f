"""JSON with arrays as the json-numpy package writes them, which OpenVLA's servers speak."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

import numpy as np

from mmact_eval.policies.remote.wire.codec import WireError, array


def dumps(message: Any) -> str:
    """A message of text, numbers, arrays and containers of these, as JSON."""
    return json.dumps(message, default=_encode)


def loads(text: str | bytes) -> Any:
    """The message in a text.

    Raises:
        WireError: it is no JSON, or holds an array that is none.
    """
    try:
        return json.loads(text, object_hook=_decode)
    except (ValueError, RecursionError) as error:
        raise WireError(f"{len(text)} bytes that are no JSON: {error}") from error


def _encode(thing: Any) -> Any:
    if isinstance(thing, np.ndarray | np.generic) and thing.dtype.kind in "biuf":
        return {
            "__numpy__": base64.b64encode(thing.tobytes()).decode(),
            "dtype": thing.dtype.str,
            "shape": list(thing.shape),
        }
    raise TypeError(f"a {type(thing).__name__} cannot be sent as JSON")


def _decode(found: dict[str, Any]) -> Any:
    if "__numpy__" not in found:
        return found
    try:
        data = base64.b64decode(found["__numpy__"], validate=True)
    except (TypeError, binascii.Error) as error:
        raise WireError(f"an array's data are no base64: {error}") from error
    return array(data, found.get("dtype"), found.get("shape"))
