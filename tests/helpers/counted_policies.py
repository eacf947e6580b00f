"""Policies for tests of studies whose arms share workers; used through ``file.py:attr``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmact_eval import Episode, PolicyOutput, PolicySpec, Query
from mmact_eval.policies.toy import ToyPolicy
from mmact_eval.specs import EnvSpec


class Remembering(ToyPolicy):
    """Solves the toy and notes when it is made and closed. Two arms at once in one episode would confuse it."""

    def __init__(self, diary: str, chunk: int = 4) -> None:
        super().__init__(chunk)
        self._diary = Path(diary)
        self._next: dict[Episode, int] = {}
        self._note("made")

    def reset(self, episodes: Sequence[Episode]) -> None:
        for episode in episodes:
            self._next[episode] = 0

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        assert len({query.episode for query in queries}) == len(queries)
        for query in queries:
            assert self._next[query.episode] == query.index, "somebody else's query"
            self._next[query.episode] += 1
        return super().act(queries)

    def close(self) -> None:
        self._note("closed")

    def _note(self, what: str) -> None:
        with self._diary.open("a") as diary:
            diary.write(f"{what}\n")


def crashing(env_spec: EnvSpec) -> Remembering:
    """Raises in its first episodes."""

    class Crashing(Remembering):
        def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
            if any(query.episode.init_state == 0 for query in queries):
                raise RuntimeError("no idea")
            return super().act(queries)

    return Crashing(os.devnull)


def wrong_width(env_spec: EnvSpec) -> Remembering:
    """Breaks its contract."""

    class Wrong(Remembering):
        def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
            return [PolicyOutput(np.zeros((1, 5), np.float32)) for _ in queries]

    return Wrong(os.devnull)


class Glancing:
    """Looks at a camera and draws random numbers."""

    def __init__(self, env_spec: EnvSpec) -> None:
        self.spec = PolicySpec("glancing", env_spec.action, chunk=2, cameras=("top",))

    def reset(self, episodes: Sequence[Episode]) -> None: ...

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        outputs = []
        for query in queries:
            assert set(query.observation.images) == {"top"}
            brightness = query.observation.images["top"].mean() / 255.0
            outputs.append(PolicyOutput((brightness * query.rng().uniform(-1, 1, (2, 2))).astype(np.float32)))
        return outputs
