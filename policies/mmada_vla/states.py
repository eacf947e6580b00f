"""A state as whole numbers: each of its numbers scaled to 0 … 255, which a small model can read as one token each."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmact_eval.errors import UsageError

WIDTHS = (8, 15)
"""Numbers in a state: LIBERO's position, axis-angle and fingers; CALVIN's robot_obs."""

LEVELS = 256
"""Whole numbers that a number of a state may become."""

Ranges = tuple[tuple[float, float], ...]
"""What becomes 0 and what `LEVELS` - 1, for each number of a state."""


def levels(state: NDArray[np.floating[Any]], ranges: Ranges) -> NDArray[np.int64]:
    """(n,) finite numbers → (n,) int64 in [0, `LEVELS`), the nearest ones; what lies outside its range is clipped.

    Of a number whose range is a point, nothing is told: it becomes 0.

    Raises:
        UsageError: there are ranges for another count of numbers.
    """
    if len(state) != len(ranges):
        raise UsageError(f"a state of {len(state)} numbers, and state_ranges has {len(ranges)}")
    low, high = np.array(ranges, np.float64).T
    span = high - low
    parts = np.divide(state.astype(np.float64) - low, span, out=np.zeros(len(span)), where=span > 0)
    found: NDArray[np.int64] = np.rint(np.clip(parts, 0.0, 1.0) * (LEVELS - 1)).astype(np.int64)
    return found


def ranges_of(states: NDArray[np.floating[Any]]) -> Ranges:
    """The 1 % and 99 % quantiles of each number of (M, n) states."""
    low, high = np.quantile(states.astype(np.float64), (0.01, 0.99), axis=0)
    return tuple(zip(low.tolist(), high.tolist(), strict=True))


def read_ranges(value: Any) -> Ranges:
    """Ranges as a config.json has them: ``[[low, high], …]``.

    Raises:
        UsageError: it is something else.
    """
    if not isinstance(value, (list, tuple)) or len(value) not in WIDTHS or not all(map(_is_range, value)):
        raise UsageError(
            f"state_ranges must be {WIDTHS[0]} or {WIDTHS[1]} pairs [low, high] of finite numbers, no low above its "
            "high"
        )
    return tuple((float(low), float(high)) for low, high in value)


def _is_range(value: Any) -> bool:
    return (
        isinstance(value, (list, tuple))
        and len(value) == 2
        and all(type(number) in (int, float) and math.isfinite(number) for number in value)
        and value[0] <= value[1]
    )
