"""A policy that says on which side it is, and one that knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mmact_eval.specs import EnvSpec, PolicySpec
from mmact_eval.types import Episode, PolicyOutput, Query


class Speaker:
    """Walks to the right, and says something at every second query. It must not see the truth."""

    def __init__(self, env_spec: EnvSpec) -> None:
        self.spec = PolicySpec("speaker", env_spec.action, chunk=4, state=("position", "target"))

    def reset(self, episodes: Sequence[Episode]) -> None:
        """Nothing to do."""

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        """Guess "up" always."""
        assert all(query.observation.privileged is None for query in queries)
        actions = np.tile(np.array([1.0, 0.0], np.float32), (4, 1))
        return [PolicyOutput(actions, text=None if query.index % 2 else "up") for query in queries]


class Knowing(Speaker):
    """Says where the gap is, and nothing in the task with init state 1."""

    def __init__(self, env_spec: EnvSpec) -> None:
        super().__init__(env_spec)
        self.spec = replace(self.spec, name="knowing", privileged=True)

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        """ "up" or "down"; raises for init state 1."""
        actions = np.zeros((4, 2), np.float32)
        answers = []
        for query in queries:
            assert query.index == 0  # it is asked as if the episode began here
            if query.episode.init_state == 1:
                raise ValueError("no idea")
            truth = query.observation.privileged
            assert truth is not None
            answers.append(PolicyOutput(actions, text="up" if truth["gap"] > 0.0 else "down"))
        return answers


class Looking(Speaker):
    """Wants to look."""

    def __init__(self, env_spec: EnvSpec) -> None:
        super().__init__(env_spec)
        self.spec = replace(self.spec, cameras=("top",))
