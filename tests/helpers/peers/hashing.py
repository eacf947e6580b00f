"""A policy that both sides know: actions from a hash of the request. Needs numpy alone."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np


def actions_for(parts: list[Any], shape: tuple[int, int] = (10, 7)) -> Any:
    """Float64 actions that a single changed bit of a part changes; arrays count with type and shape."""
    digest = hashlib.blake2b()
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype.str}{part.shape}".encode() + part.tobytes())
        else:
            digest.update(str(part).encode())
    rng = np.random.default_rng(int.from_bytes(digest.digest()[:8], "little"))
    return rng.uniform(-1.0, 1.0, shape)
