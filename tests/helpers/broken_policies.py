"""Policies that do what policies should not; used by the engine's tests through ``file.py:attr``."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mmact_eval import Episode, PolicyOutput, PolicySpec, Query
from mmact_eval.specs import EnvSpec

Act = Callable[[Query], Any]


class _Policy:
    def __init__(self, spec: EnvSpec, act: Act, many: Callable[[Sequence[Query]], Any] | None = None) -> None:
        self.spec = PolicySpec("broken", spec.action, chunk=1, replan=1)
        self._act, self._many = act, many

    def reset(self, episodes: Sequence[Episode]) -> None: ...

    def act(self, queries: Sequence[Query]) -> Any:
        return self._many(queries) if self._many else [self._act(query) for query in queries]


def _always(actions: Any) -> Callable[[EnvSpec], _Policy]:
    return lambda env_spec: _Policy(env_spec, lambda query: PolicyOutput(np.asarray(actions)))


def _sometimes(bad: Any, init_state: int = 1) -> Callable[[EnvSpec], _Policy]:
    def act(query: Query) -> PolicyOutput:
        wrong = query.episode.init_state == init_state and query.index == 2
        return PolicyOutput(np.array([bad if wrong else [0.1, 0.1]], np.float32))

    return lambda env_spec: _Policy(env_spec, act)


wrong_width = _always([[0.0, 0.0, 0.0]])
flat = _always([0.0, 0.0])
words = _always([["up", "down"]])
nan = _sometimes([0.0, np.nan])
infinite = _sometimes([np.inf, 0.0])


def empty_chunk(env_spec: EnvSpec) -> _Policy:
    return _Policy(env_spec, lambda query: PolicyOutput(np.zeros((0, 2), np.float32)))


def too_few_outputs(env_spec: EnvSpec) -> _Policy:
    return _Policy(env_spec, lambda query: None, many=lambda queries: [])


def no_output(env_spec: EnvSpec) -> _Policy:
    return _Policy(env_spec, lambda query: None)


def one_output(env_spec: EnvSpec) -> _Policy:
    return _Policy(env_spec, lambda query: None, many=lambda queries: PolicyOutput(np.zeros((1, 2), np.float32)))


def a_dictionary(env_spec: EnvSpec) -> _Policy:
    return _Policy(env_spec, lambda query: None, many=lambda queries: {"actions": np.zeros((1, 2), np.float32)})


def nothing(env_spec: EnvSpec) -> _Policy:
    return _Policy(env_spec, lambda query: None, many=lambda queries: None)


def an_array(env_spec: EnvSpec) -> _Policy:
    return _Policy(env_spec, lambda query: None, many=lambda queries: np.zeros((1, 2), np.float32))


def a_generator(env_spec: EnvSpec) -> _Policy:
    return _Policy(
        env_spec,
        lambda query: None,
        many=lambda queries: (PolicyOutput(np.zeros((1, 2), np.float32)) for _ in queries),
    )


def asynchronous(env_spec: EnvSpec) -> _Policy:
    async def act(queries: Sequence[Query]) -> list[PolicyOutput]:
        return [PolicyOutput(np.zeros((1, 2), np.float32)) for _ in queries]

    return _Policy(env_spec, lambda query: None, many=act)


def asynchronous_reset(env_spec: EnvSpec) -> _Policy:
    async def reset(episodes: Sequence[Episode]) -> None: ...

    policy = zeros(env_spec)
    policy.reset = reset  # type: ignore[method-assign, assignment]
    return policy


def raises(env_spec: EnvSpec) -> _Policy:
    def act(query: Query) -> PolicyOutput:
        if query.episode.init_state == 1:
            raise RuntimeError("out of memory, say")
        return PolicyOutput(np.zeros((1, 2), np.float32))

    return _Policy(env_spec, act)


def always_raises(env_spec: EnvSpec) -> _Policy:
    def act(query: Query) -> PolicyOutput:
        raise RuntimeError("no")

    return _Policy(env_spec, act)


def hangs(env_spec: EnvSpec) -> _Policy:
    def act(query: Query) -> PolicyOutput:
        if query.episode.init_state == 2:
            time.sleep(3600)
        return PolicyOutput(np.zeros((1, 2), np.float32))

    return _Policy(env_spec, act)


def zeros(env_spec: EnvSpec) -> _Policy:
    return _Policy(env_spec, lambda query: PolicyOutput(np.zeros((1, 2), np.float32)))


def raises_for_easy(env_spec: EnvSpec) -> _Policy:
    def act(query: Query) -> PolicyOutput:
        if query.episode.task == "easy":
            raise RuntimeError("no skill for this")
        return PolicyOutput(np.zeros((1, 2), np.float32))

    return _Policy(env_spec, act)


def reset_fails(env_spec: EnvSpec) -> _Policy:
    policy = zeros(env_spec)

    def reset(episodes: Sequence[Episode]) -> None:
        if episodes[0].init_state == 0:
            raise RuntimeError("no weights")

    policy.reset = reset  # type: ignore[method-assign]
    return policy


def very_slow(env_spec: EnvSpec) -> _Policy:
    def act(queries: Sequence[Query]) -> list[PolicyOutput]:
        time.sleep(1.5)
        return [PolicyOutput(np.zeros((1, 2), np.float32)) for _ in queries]

    return _Policy(env_spec, lambda query: None, many=act)


def swallows(env_spec: EnvSpec) -> _Policy:
    def act(query: Query) -> PolicyOutput:
        with contextlib.suppress(Exception):
            time.sleep(3600)
        return PolicyOutput(np.zeros((1, 2), np.float32))

    return _Policy(env_spec, act)


class _Tensor:
    """What a framework's tensor looks like from outside."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.zeros((1, 2), np.float64)


class _Output(PolicyOutput):
    """A class that only this file knows."""


def exotic(env_spec: EnvSpec) -> _Policy:
    def act(query: Query) -> PolicyOutput:
        return _Output(_Tensor(), extras={"callback": lambda: None, "ids": {3, 1}})  # type: ignore[arg-type]

    policy = _Policy(env_spec, act)
    policy.spec = PolicySpec("exotic", env_spec.action, chunk=1, config={"model": _Tensor()})
    return policy


def slow(env_spec: EnvSpec) -> _Policy:
    def act(queries: Sequence[Query]) -> list[PolicyOutput]:
        time.sleep(0.01)
        return [PolicyOutput(np.zeros((1, 2), np.float32)) for _ in queries]

    return _Policy(env_spec, lambda query: None, many=act)
