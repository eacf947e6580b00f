"""Solves the toy environment: a scripted baseline whose success rate is known, and the smallest useful policy.

It reads the state and, for the detour through the gap in the wall, simulator ground truth. Without the detour it
walks straight at the target, which the wall stops in most of the hard scenes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmact_eval.errors import UsageError
from mmact_eval.policies._args import check_chunk
from mmact_eval.specs import ActionSpec, EnvSpec, PolicySpec
from mmact_eval.types import Episode, PolicyOutput, Query

STEP_METRES = 0.05
"""What an action of 1 moves the point by; the toy environment's constant."""

_AISLE = 0.12
"""How far from the wall, in metres, the point lines up with the gap."""


class ToyPolicy:
    """Plans a whole chunk open-loop by stepping a model of the point.

    Args:
        chunk: actions in an answer, ≥ 1.
        detour: whether to go through the gap (needs ground truth) or straight at the target.
    """

    def __init__(self, chunk: int = 8, detour: bool = True) -> None:
        self._detour = detour
        self.spec = PolicySpec(
            name="toy" if detour else "toy (straight)",
            action=ActionSpec(dim=2, control="position_delta", frame="world", hz=10.0),
            chunk=chunk,
            state=("position", "target"),
            privileged=detour,
            config={"chunk": chunk, "detour": detour},
        )

    def reset(self, episodes: Sequence[Episode]) -> None:
        """Nothing is remembered between queries."""

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        """A (chunk, 2) float32 answer for each query."""
        return [PolicyOutput(self._plan(query)) for query in queries]

    def _plan(self, query: Query) -> NDArray[np.float32]:
        state, privileged = query.observation.state, query.observation.privileged
        gap = privileged["gap"] if self._detour and privileged else None
        position, target = np.array(state["position"]), np.array(state["target"])
        actions = np.zeros((self.spec.chunk, 2), np.float32)
        for action in actions:
            action[:] = np.clip((self._waypoint(position, target, gap) - position) / STEP_METRES, -1.0, 1.0)
            position = position + STEP_METRES * action.astype(np.float64)
        return actions

    @staticmethod
    def _waypoint(position: NDArray[np.float64], target: NDArray[np.float64], gap: float | None) -> NDArray[np.float64]:
        """Where to head now: along the wall to the gap, through it, then to the target."""
        side = -1.0 if position[0] < 0.0 else 1.0
        if gap is None or side * target[0] > 0.0:
            return target
        lined_up = abs(position[1] - gap) < STEP_METRES
        return np.array([-side * _AISLE if lined_up else side * _AISLE, gap])


def make_policy(env_spec: EnvSpec | None = None, chunk: int = 8, detour: bool = True) -> ToyPolicy:
    """Entry point ``toy``; arguments as in `ToyPolicy`.

    Raises:
        UsageError: a value that makes no sense.
    """
    if not isinstance(detour, bool):
        raise UsageError(f"policy toy: detour must be true or false, got {detour!r}")
    return ToyPolicy(check_chunk("toy", chunk), detour)
