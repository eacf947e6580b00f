"""What `evaluate` was given, as a run is asked for."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from mmact_eval import registry
from mmact_eval.config.suite_file import load_suite
from mmact_eval.config.yaml_errors import explain
from mmact_eval.config.yaml_file import dotted
from mmact_eval.engine.options import EngineOptions
from mmact_eval.errors import UsageError
from mmact_eval.identity.live_policy import name_of
from mmact_eval.policy_output import json_data
from mmact_eval.protocols import Policy
from mmact_eval.suite import Suite
from mmact_eval.types import EpisodeResult


def suite_of(suite: str | Path | Suite, changes: Mapping[str, Any]) -> Suite:
    if not isinstance(suite, Suite):
        return load_suite(str(suite), changes={str(key): json_data(value) for key, value in changes.items()})
    if changes:
        raise UsageError("changes are for a suite that is loaded here; change the Suite itself (model_copy).")
    try:
        return Suite.model_validate(suite.model_dump(warnings=False))  # `model_copy` has looked at nothing
    except ValidationError as error:
        lines = [f"the suite's {dotted(loc)}: {text}." for loc, text in explain(error, Suite)]
        raise UsageError("\n".join(lines)) from error


def policy_of(policy: str | Policy | Callable[..., Policy]) -> tuple[Policy | Callable[..., Policy] | None, str]:
    """What is no text, and a name for it."""
    if isinstance(policy, str):
        return None, policy
    if not registry.is_policy(policy) and not callable(policy):
        raise UsageError(
            f"{type(policy).__name__} is no policy: it needs `spec`, `reset(episodes)` and `act(queries)` (see "
            "mmact_eval.protocols.Policy), or must make one when it is called."
        )
    return policy, name_of(policy)


def as_typed(chosen: str | int | Iterable[str | int] | None, what: str) -> str | None:
    """As on the command line.

    Raises:
        UsageError: nothing is chosen, or a name cannot be told from two.
    """
    if chosen is None or isinstance(chosen, str):
        return chosen
    parts = [str(part) for part in chosen] if isinstance(chosen, Iterable) else [str(chosen)]
    if not "".join(parts):
        raise UsageError(f"{what} is empty; None means all.")
    odd = [part for part in parts if "," in part]
    if odd:
        raise UsageError(f'{what}: "{odd[0]}" has a comma; name it by its number, or by a pattern with a ?.')
    return ",".join(parts)


def whole(number: int, what: str, at_least: int | None = None) -> int:
    """As an `int`, of numpy's kinds too.

    Raises:
        UsageError: it is no whole number, or too small.
    """
    try:
        found = operator.index(number)
    except TypeError:
        raise UsageError(f"{what} must be a whole number, not {number!r}.") from None
    if at_least is not None and found < at_least:
        raise UsageError(f"{what} must be at least {at_least}, not {found}.")
    return found


def with_processes(
    options: EngineOptions | None, workers: int, policy_replicas: int | Literal["auto"] | None
) -> EngineOptions:
    """The options with so many workers, and replicas of the policy if their number is given.

    Raises:
        UsageError: a number makes no sense.
    """
    asked = replace(options or EngineOptions(), workers=whole(workers, "workers", at_least=1))
    replicas = asked.policy_replicas if policy_replicas is None else policy_replicas
    if replicas != "auto":
        replicas = whole(replicas, "policy_replicas", at_least=0)
    return checked(replace(asked, policy_replicas=replicas))


_AT_LEAST = {"max_batch": 1, "retries": 0, "cached_envs": 1, "turn": 0, "max_errors_in_a_row": 1}
_MORE_THAN_NOTHING = ("worker_cpus", "policy_timeout")


def checked(options: EngineOptions) -> EngineOptions:
    """The options, their numbers as plain ones.

    Raises:
        UsageError: a number makes no sense, or there is an address of a cluster and an engine that has none.
    """
    found: dict[str, Any] = {name: whole(getattr(options, name), f"options.{name}", n) for name, n in _AT_LEAST.items()}
    for name in (*_MORE_THAN_NOTHING, "policy_gpus"):
        found[name] = _finite(getattr(options, name), f"options.{name}")
        if found[name] < 0 or (name in _MORE_THAN_NOTHING and not found[name]):
            least = "more than 0" if name in _MORE_THAN_NOTHING else "at least 0"
            raise UsageError(f"options.{name} must be {least}, not {found[name]:g}.")
    if options.engine == EngineOptions.engine and options.cluster:
        raise UsageError(f'options.cluster is for the engine ray, and the engine is "{options.engine}".')
    return replace(options, **found)


def _finite(number: Any, what: str) -> float:
    """As a `float`, of numpy's kinds too.

    Raises:
        UsageError: it is none, infinite or NaN.
    """
    try:
        found = float(number)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found) or isinstance(number, str):
        raise UsageError(f"{what} must be a number, not {number!r}.")
    return found


def heard_by(on_episode: Callable[[EpisodeResult], object] | None) -> Callable[[EpisodeResult], bool]:
    """Only True ends a run: a callback that happens to return something else does not."""
    return lambda result: on_episode is not None and on_episode(result) is True
