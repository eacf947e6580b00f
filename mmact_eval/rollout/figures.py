"""Named numbers of an episode, from whoever has something to say of it: environment, policy, observers.

A name says whose number it is: ``env/length``, ``policy/confidence``, ``plan/exact``. What environment and policy say
is part of the rollout; what observers say depends on who watched.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from mmact_eval.errors import EnvironmentFailure, PolicyContractError, PolicyFailure
from mmact_eval.types import LARGEST_FIGURE, ROLLOUT_FIGURES, PolicyOutput

FIGURES = "figures"
"""The key of ``info`` and of `PolicyOutput.extras`."""

_NAME = re.compile(r"[\w.-]+(/[\w.-]+)*")
_ENV, _POLICY = ROLLOUT_FIGURES


class OutOfRange(ValueError):
    """A number that cannot be averaged: it happens to who computes, and is no misunderstanding."""


def checked_figures(said: Any, owner: str = "") -> dict[str, float]:
    """Names and numbers, as float.

    Args:
        said: name → number.
        owner: ``env`` or ``policy``: names without it get it. "" for observers, who name a group of their own.

    Raises:
        OutOfRange: a number is NaN, infinite or beyond 1e100.
        ValueError: it is no mapping, or a name or a number in it is none; says which.
    """
    if not isinstance(said, Mapping):
        raise ValueError(f"figures are a mapping of names to numbers, not {type(said).__name__}")
    found = {}
    for name, value in said.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(f"a figure's name is made of letters, digits, _ . - and /, not {name!r}")
        number = isinstance(value, int | float | np.integer | np.floating | np.bool_)
        if not number or not _in_range(value):
            kind = OutOfRange if number else ValueError
            raise kind(f'the figure "{name}" is {value!s:.40}; it must be a finite number up to 1e100')
        found[_whole_name(name, owner)] = float(value)
    return found


def _in_range(value: Any) -> bool:
    try:
        return abs(float(value)) <= LARGEST_FIGURE  # not so of NaN
    except OverflowError:  # an integer
        return False


def _whole_name(name: str, owner: str) -> str:
    group, slash, _ = name.partition("/")
    if owner:
        if slash and group != owner:
            raise ValueError(f'the figure "{name}" is called as if somebody else said it; begin with "{owner}/"')
        return name if slash else f"{owner}/{name}"
    if not slash or group in ROLLOUT_FIGURES:
        raise ValueError(f'the figure "{name}" needs a group before a slash, other than {", ".join(ROLLOUT_FIGURES)}')
    return name


class FigureTally:
    """What environment and policy say in an episode: the environment's last word, the mean of the policy's."""

    def __init__(self) -> None:
        self._env: dict[str, float] = {}
        self._policy: dict[str, list[float]] = {}

    def executed(self, info: Mapping[str, Any]) -> None:
        """A chunk was executed.

        Raises:
            EnvironmentFailure: what it says in ``info["figures"]`` are none.
        """
        if FIGURES in info:
            try:
                self._env |= checked_figures(info[FIGURES], _ENV)
            except ValueError as error:
                raise EnvironmentFailure(f'info["{FIGURES}"] of the environment: {error}') from error

    def answered(self, output: PolicyOutput) -> None:
        """The policy has answered.

        Raises:
            PolicyFailure: a number in ``extras["figures"]`` is NaN, say; as with actions, that costs the episode alone.
            PolicyContractError: what it says there are no figures.
        """
        if FIGURES in output.extras:
            try:
                said = checked_figures(output.extras[FIGURES], _POLICY)
            except OutOfRange as error:
                raise PolicyFailure(f'extras["{FIGURES}"] of the policy: {error}') from error
            except ValueError as error:
                raise PolicyContractError(f'extras["{FIGURES}"] of the policy: {error}') from error
            for name, value in said.items():
                self._policy.setdefault(name, []).append(value)

    def fields(self) -> Mapping[str, Any]:
        """The figures so far, for the field of `EpisodeResult`."""
        means = {name: math.fsum(values) / len(values) for name, values in self._policy.items()}
        return {FIGURES: {**self._env, **means}}
