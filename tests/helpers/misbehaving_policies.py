"""Policies of which each breaks one promise that `check_policy` tries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mmact_eval.policies.random import RandomPolicy
from mmact_eval.policies.toy import ToyPolicy
from mmact_eval.specs import EnvSpec, PolicySpec
from mmact_eval.types import Episode, PolicyOutput, Query


def _spec(env: EnvSpec) -> PolicySpec:
    return PolicySpec("misbehaving", env.action, chunk=4, cameras=("top",), state=("position",))


class _Policy(RandomPolicy):
    def __init__(self, env: EnvSpec) -> None:
        super().__init__(_spec(env))


class NoReset(_Policy):
    reset: Any = None


class OneByOne(_Policy):
    def act(self, query: Query, episode: Episode) -> Any:  # type: ignore[override]
        return None


class Misspelt(_Policy):
    def cover(self, suite: object, episodes: Sequence[Episode]) -> Sequence[Episode]:
        return episodes


class OneName(_Policy):
    transport_args = "host"


class TextForANumber(_Policy):
    def __init__(self, env: EnvSpec) -> None:
        super().__init__(env)
        self.spec = replace(self.spec, chunk="4")  # type: ignore[arg-type]


class NotToBeSent(_Policy):
    def __init__(self, env: EnvSpec) -> None:
        super().__init__(env)
        self.spec = replace(self.spec, config={"model": lambda: None})


class OtherGripper(_Policy):
    def __init__(self, env: EnvSpec) -> None:
        super().__init__(env)
        self.spec = replace(self.spec, action=replace(env.action, gripper="1 open"))


class Flat(_Policy):
    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        return [PolicyOutput(np.zeros(2, np.float32)) for _ in queries]


class Short(_Policy):
    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        return [replace(output, actions=output.actions[:2]) for output in super().act(queries)]


class OwnGenerator(_Policy):
    def __init__(self, env: EnvSpec) -> None:
        super().__init__(env)
        self._rng = np.random.default_rng(0)

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        return [PolicyOutput(self._rng.uniform(-1, 1, (4, 2)).astype(np.float32)) for _ in queries]


class Remembers(_Policy):
    """Counts the queries of an episode, and `reset` does not forget them."""

    def __init__(self, env: EnvSpec) -> None:
        super().__init__(env)
        self._asked: dict[Episode, int] = {}

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        for query in queries:
            self._asked[query.episode] = self._asked.get(query.episode, 0) + 1
        return [PolicyOutput(np.full((4, 2), self._asked[query.episode] % 7 / 10, np.float32)) for query in queries]


class OneMemory(_Policy):
    """Keeps what it did last in one place for all episodes."""

    def __init__(self, env: EnvSpec) -> None:
        super().__init__(env)
        self._last = np.zeros((4, 2), np.float32)

    def reset(self, episodes: Sequence[Episode]) -> None:
        self._last = np.zeros((4, 2), np.float32)

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        found = []
        for output in super().act(queries):
            self._last = (self._last + output.actions) / 2
            found.append(PolicyOutput(self._last.copy()))
        return found


class FirstForAll(_Policy):
    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        return [super(FirstForAll, self).act(queries[:1])[0] for _ in queries]


class Rounds(_Policy):
    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        off = np.float32(1e-6 * len(queries))
        return [replace(output, actions=output.actions + off) for output in super().act(queries)]


class OneBuffer(_Policy):
    """Answers queries one by one from a buffer that the next call overwrites."""

    def __init__(self, env: EnvSpec) -> None:
        super().__init__(env)
        self._buffers: list[Any] = [np.zeros((4, 2), np.float32) for _ in range(8)]

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        for buffer, output in zip(self._buffers, super().act(queries), strict=False):
            buffer[:] = output.actions
        return [PolicyOutput(buffer) for buffer in self._buffers[: len(queries)]]


class OneStage(_Policy):
    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        if any(query.new_stage for query in queries):
            raise ValueError("a second instruction")
        return super().act(queries)


class CannotClose(_Policy):
    def close(self) -> None:
        raise OSError("the connection is gone")


class WorksInPlace(_Policy):
    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        for query in queries:
            query.observation.images["top"][:] = 0
        return super().act(queries)


class NeedsTruth(ToyPolicy):
    def __init__(self, env: EnvSpec) -> None:
        super().__init__(chunk=4)


BROKEN: Sequence[tuple[Callable[[EnvSpec], Any], str, str]] = (
    (NoReset, "members", '"reset" is NoneType; it must be a method'),
    (OneByOne, "members", r'"act" cannot be called as `act\(queries\)`'),
    (Misspelt, "optional members", 'has "cover".*did you mean "covers"'),
    (OneName, "optional members", "`transport_args` is 'host'; it must be a set of names"),
    (TextForANumber, "spec", "spec.chunk is '4'; it must be a whole number"),
    (NotToBeSent, "spec", "pickle"),
    (OtherGripper, "fits the environment", "action gripper"),
    (Flat, "answers", r"actions of shape \(2,\)"),
    (Short, "chunk length", "chunk is 4, and an answer has 2 actions"),
    (OwnGenerator, "same question, same answer", "asked twice: .*actions differ by"),
    (Remembers, "reset forgets", "after a reset in the middle"),
    (OneStage, "a further stage", "ValueError: a second instruction"),
    (OneMemory, "episodes are apart", "taking turns or one by one"),
    (FirstForAll, "batches", "alone and together: query 0 of toy/conformance/init1"),
    (OneBuffer, "answers stay", "before and after the next call"),
    (CannotClose, "close", "OSError: the connection is gone"),
)
"""What makes a policy, the name of the promise that it breaks, and what is said of it."""
