"""Numbers in [-1, 1] as bins, and back: how MM-ACT reads states and writes actions."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmact_eval.errors import UsageError
from mmact_eval.policies.mmact.vocabulary import ACTION_BINS


def to_bins(values: ArrayLike, bins: int = ACTION_BINS) -> NDArray[np.int64]:
    """The nearest of `bins` evenly spaced points from -1 to 1; what lies outside is clipped, ties go to the even bin.

    Args:
        values: numbers of any shape.

    Returns:
        int64 indices in [0, bins), same shape.

    Raises:
        UsageError: a value is not a number.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if np.isnan(numbers).any():
        raise UsageError("a NaN cannot be put into a bin; look at the states the policy gets")
    indices: NDArray[np.int64] = np.rint((np.clip(numbers, -1.0, 1.0) + 1.0) / 2.0 * (bins - 1)).astype(np.int64)
    return indices


def from_bins(indices: ArrayLike, bins: int = ACTION_BINS) -> NDArray[np.float32]:
    """The points that bins stand for, float32 in [-1, 1], same shape. Bin 0 is -1 and the last bin is 1."""
    points = np.asarray(indices).astype(np.float32) / np.float32(bins - 1)
    values: NDArray[np.float32] = points * np.float32(2.0) - np.float32(1.0)
    return values
