"""Policies that notice if they are asked or told too often or not at all, for tests of shared workers and of stages.

They are used through ``file.py:attr``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
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


class Forgetful(ToyPolicy):
    """Walks straight at the target, the slower the more queries it has answered since it was told to forget.

    A reset too many or too few is an error; a repeated or lost query gives another walk.
    """

    def __init__(self, env_spec: EnvSpec, chunk: int = 4) -> None:
        super().__init__(chunk, detour=False)
        self.spec = replace(self.spec, name="forgetful")
        self._answered: dict[Episode, int] = {}
        self._resets: dict[Episode, int] = {}

    def reset(self, episodes: Sequence[Episode]) -> None:
        for episode in episodes:
            self._answered[episode] = 0
            self._resets[episode] = self._resets.get(episode, 0) + 1

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        return [self._slower(query, output) for query, output in zip(queries, super().act(queries), strict=True)]

    def _slower(self, query: Query, output: PolicyOutput) -> PolicyOutput:
        told, self._resets[query.episode] = self._resets[query.episode], 0
        assert told == (query.index == 0 or query.new_stage), f"{told} resets before query {query.index}"
        before = self._answered[query.episode]
        self._answered[query.episode] += 1
        return replace(output, actions=output.actions * (0.4 + 0.5 / (1 + before)), text=query.observation.instruction)


class FailsOnce(Forgetful):
    """Raises at the first stage that begins in each episode, once, and there is no second attempt without a reset."""

    def __init__(self, env_spec: EnvSpec) -> None:
        super().__init__(env_spec)
        self._failed: set[Episode] = set()

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        for query in queries:
            if query.new_stage and query.episode not in self._failed:
                self._failed.add(query.episode)
                raise RuntimeError("once")
        return super().act(queries)

    def _slower(self, query: Query, output: PolicyOutput) -> PolicyOutput:
        if query.index == 0:
            self._resets[query.episode] = 1  # that of the stage at which it raised was for nothing
        return super()._slower(query, output)


class CannotForget(Forgetful):
    """Its reset raises where a stage begins, in the init states from 1 on."""

    def reset(self, episodes: Sequence[Episode]) -> None:
        if any(episode.init_state and self._answered.get(episode) for episode in episodes):
            raise ValueError("what was it?")
        super().reset(episodes)


class Meeting(Forgetful):
    """Answers its first query when as many processes with this policy have been asked one, so that work that is shared
    out is seen to be, however long a worker takes to start.

    Args:
        place: ``file://`` and the folder where they meet; a plain path would be read as what the policy is made of.
        processes: how many.
    """

    def __init__(self, env_spec: EnvSpec, place: str, processes: int) -> None:
        super().__init__(env_spec)
        self._place = Path(place.removeprefix("file://"))
        self._processes = processes
        self._met = False

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        if not self._met:
            self._place.mkdir(exist_ok=True)
            (self._place / str(os.getpid())).touch()
            latest = time.monotonic() + 60
            while len(list(self._place.iterdir())) < self._processes:
                assert time.monotonic() < latest, "nobody else was asked"
                time.sleep(0.01)
            self._met = True
        return super().act(queries)


FORGETFUL = f"{Path(__file__)}:Forgetful"
MEETING = f"{Path(__file__)}:Meeting"
FAILS_ONCE = f"{Path(__file__)}:FailsOnce"
CANNOT_FORGET = f"{Path(__file__)}:CannotForget"
