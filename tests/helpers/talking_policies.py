"""Policies of the toy environment that say something: one imagines what it will see, one counts its queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mmact_eval.policies.toy import ToyPolicy
from mmact_eval.specs import EnvSpec, PolicySpec
from mmact_eval.types import Episode, PolicyOutput, Query


class TalkingPolicy:
    """Random actions, two texts and an image."""

    def __init__(self, env_spec: EnvSpec) -> None:
        self.spec = PolicySpec("talker", env_spec.action, chunk=4, cameras=("top",))

    def reset(self, episodes: Sequence[Episode]) -> None:
        """Nothing to do."""

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        """Look around first, then go; imagine at the first query."""
        return [
            PolicyOutput(
                query.rng().uniform(-1.0, 1.0, (4, 2)).astype(np.float32),
                text="look around" if query.index < 3 else "go to the target",
                image=np.full((32, 32, 3), 40 * (1 + query.episode.init_state), np.uint8) if not query.index else None,
                extras={"image_of": {"camera": "top", "steps": 4}},
            )
            for query in queries
        ]


def make(env_spec: EnvSpec) -> TalkingPolicy:
    """For ``--policy talking_policies.py:make``."""
    return TalkingPolicy(env_spec)


class CountingPolicy(ToyPolicy):
    """Solves the toy; its text tells the number of the query, two queries having the same."""

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        """The toy policy's chunks, with texts."""
        outputs = super().act(queries)
        return [replace(o, text=f"query {q.index // 2 + 1}") for q, o in zip(queries, outputs, strict=True)]


def make_counting() -> CountingPolicy:
    """A policy with chunks of 5 actions."""
    return CountingPolicy(chunk=5)
