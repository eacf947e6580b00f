"""Uniformly random actions: the other floor of every table, and a check that randomness follows the episode."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmact_eval.policies._args import baseline_spec
from mmact_eval.specs import EnvSpec, PolicySpec
from mmact_eval.types import Episode, PolicyOutput, Query


class RandomPolicy:
    """Draws every action uniformly from the environment's range, with the generator of the query."""

    def __init__(self, spec: PolicySpec) -> None:
        self.spec = spec

    def reset(self, episodes: Sequence[Episode]) -> None:
        """Nothing is remembered between queries."""

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        """A (chunk, D) float32 answer for each query."""
        return [PolicyOutput(self._draw(query)) for query in queries]

    def _draw(self, query: Query) -> NDArray[np.float32]:
        action = self.spec.action
        return query.rng().uniform(action.low, action.high, (self.spec.chunk, action.dim)).astype(np.float32)


def make_policy(env_spec: EnvSpec, chunk: int = 8, cameras: str | Sequence[str] = ()) -> RandomPolicy:
    """Entry point ``random``.

    Args:
        env_spec: the environment; its action convention becomes the policy's.
        chunk: actions in an answer, ≥ 1.
        cameras: images to ask for and ignore: ``all``, names with commas or a list; none by default.

    Raises:
        UsageError: a value that makes no sense.
    """
    return RandomPolicy(baseline_spec("random", env_spec, chunk, cameras))
