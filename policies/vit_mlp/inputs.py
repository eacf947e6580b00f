"""States as the network reads them, and its answers as the robots take them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_FARTHEST = 5.0
"""Standard deviations: what is beyond was never seen in training, and how far beyond tells nothing."""

_LEAST = 1e-3
"""The smallest standard deviation (m, rad): what hardly ever moved is not blown up."""


def statistics(states: NDArray[np.floating[Any]]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each number of (M, S) states."""
    wide = states.astype(np.float64)
    return tuple(wide.mean(0).tolist()), tuple(np.maximum(wide.std(0), _LEAST).tolist())


def normalized(
    states: NDArray[np.floating[Any]], mean: tuple[float, ...], std: tuple[float, ...]
) -> NDArray[np.float32]:
    """(…, S) states in the environment's units → (…, S) float32 as the network reads them."""
    scaled = (states.astype(np.float64) - np.array(mean)) / np.array(std)
    return np.clip(scaled, -_FARTHEST, _FARTHEST).astype(np.float32)


def executed(answers: NDArray[np.float32]) -> NDArray[np.float32]:
    """(…, 7) answers of the network → actions in [-1, 1], the last number, the gripper's, exactly -1 or 1.

    Actions of LIBERO and CALVIN lie in that range already and are learned as they are. LIBERO's robot looks at the sign
    of the gripper's number alone; CALVIN's takes no other numbers than these two.
    """
    actions = np.clip(answers, -1.0, 1.0).astype(np.float32)
    actions[..., -1] = np.where(actions[..., -1] > 0.0, 1.0, -1.0)
    return actions
