"""What became of a policy's answers in an episode: how much of each was executed, and what of it made no sense."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmact_eval.specs import ActionSpec

_FAR = 0.25
"""A number so far beyond the limits, as a share of the range's half, is no rounding."""


def far_beyond(actions: ArrayLike, spec: ActionSpec) -> NDArray[np.bool_]:
    """Which numbers lie far beyond the range that the spec declares; same shape."""
    numbers = np.asarray(actions, np.float64)
    margin = _FAR * (spec.high - spec.low) / 2
    beyond: NDArray[np.bool_] = (numbers < spec.low - margin) | (numbers > spec.high + margin)
    return beyond


class ActionTally:
    """Counts, for the fields of `EpisodeResult` by these names."""

    def __init__(self, spec: ActionSpec) -> None:
        """`spec`: the environment's."""
        self._spec = spec
        self._executed: list[int] = []
        self._short_answers = self._beyond = 0
        self._farthest = 0.0

    def answered(self, too_short: bool) -> None:
        """The policy has answered: with fewer actions than would be executed and its spec promises, perhaps."""
        self._executed.append(0)
        self._short_answers += too_short

    def executed(self, actions: NDArray[np.float32]) -> None:
        """These (T, D) actions of the last answer have been executed."""
        self._executed[-1] += len(actions)
        beyond = np.asarray(actions)[far_beyond(actions, self._spec)]
        self._beyond += beyond.size
        self._farthest = max([self._farthest, *map(float, beyond)], key=abs)

    def fields(self) -> Mapping[str, Any]:
        """The counts so far."""
        return {
            "executed": tuple(self._executed),
            "short_answers": self._short_answers,
            "beyond_range": self._beyond,
            "farthest": self._farthest,
        }
