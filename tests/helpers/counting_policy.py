"""A policy for tests of recordings: solves the toy environment in small chunks and says something each time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mmact_eval.policies.toy import ToyPolicy
from mmact_eval.types import PolicyOutput, Query


class CountingPolicy(ToyPolicy):
    """Its text tells the number of the query, two queries having the same."""

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        """The toy policy's chunks, with texts."""
        outputs = super().act(queries)
        return [replace(o, text=f"query {q.index // 2 + 1}") for q, o in zip(queries, outputs, strict=True)]


def make_policy() -> CountingPolicy:
    """A policy with chunks of 5 actions."""
    return CountingPolicy(chunk=5)
