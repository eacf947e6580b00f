"""What all policies around another policy have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mmact_eval.protocols import Policy
from mmact_eval.rollout import policy_calls
from mmact_eval.specs import PolicySpec
from mmact_eval.types import Episode, Query


class WrappedPolicy:
    """A policy around another. Whatever else the inner one has (`covers`, `observers`, `remarks`) shows through.

    Attributes:
        spec: says what the wrapper does, in its name and in its config, hence in the fingerprint.
    """

    def __init__(self, inner: Policy, spec: PolicySpec) -> None:
        self._inner = inner
        self.spec = spec

    def reset(self, episodes: Sequence[Episode]) -> None:
        """The inner policy's reset."""
        policy_calls.reset(self._inner, episodes)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # before `__init__`, and for pickle and copy
            raise AttributeError(name)
        return getattr(self._inner, name)


def moved_on(query: Query, queries: int) -> Query:
    """The query as the inner policy counts it if others have acted in the first `queries` of the episode."""
    index = query.index - queries
    return replace(query, index=index, new_stage=query.new_stage and index > 0)
