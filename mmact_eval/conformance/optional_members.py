"""Are optional members spelled and shaped as they are asked for? A typo is silence otherwise."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterator, Sequence
from typing import Any

from mmact_eval.optional import members

_CLOSE = 0.8
"""Of `difflib`'s ratio: ``prepare_runs`` (0.96), ``cover`` (0.91) are slips, ``poses`` for ``close`` (0.6) is none."""


def slips(thing: object, required: type, optional: Sequence[type]) -> Iterator[str]:
    """What looks like an optional member and is none, in words.

    Args:
        thing: a plug-in, an environment or a policy.
        required: its protocol.
        optional: the protocols of what it may offer besides.
    """
    asked_for = {name: protocol for protocol in optional for name in members(protocol)}
    known = {*asked_for, *members(required)}
    for name in _own_names(thing):
        close = difflib.get_close_matches(name, asked_for, n=1, cutoff=_CLOSE)
        if name not in known and close and not hasattr(thing, close[0]):
            yield f'it has "{name}", which nobody asks for; did you mean "{close[0]}"?'
    for name, protocol in asked_for.items():
        if hasattr(thing, name) and getattr(thing, name) is not None:
            yield from _misshapen(thing, name, protocol)


def wrong_signatures(thing: object, required: type) -> Iterator[str]:
    """Members of a protocol that are missing, or cannot be called as it says."""
    for name in members(required):
        if not hasattr(thing, name):
            yield f'it lacks "{name}"'
        else:
            yield from _misshapen(thing, name, required)


def _own_names(thing: object) -> list[str]:
    """Public names of its own, without those that a library's base class gives it."""
    names = list(vars(thing)) if hasattr(thing, "__dict__") else []
    for base in type(thing).__mro__:
        if base.__module__.partition(".")[0] not in ("builtins", "gymnasium", "torch", "typing", "abc"):
            names += [*vars(base), *inspect.get_annotations(base)]
    return [name for name in dict.fromkeys(names) if not name.startswith("_")]


def _misshapen(thing: object, name: str, protocol: type) -> Iterator[str]:
    found, wanted = getattr(thing, name), inspect.getattr_static(protocol, name, None)
    if not inspect.isfunction(wanted):  # an attribute
        return
    if not callable(found):
        yield f'"{name}" is {type(found).__name__}; it must be a method'
    elif problem := _cannot_be_called(found, wanted):
        yield f'"{name}" cannot be called as `{name}{_shown(wanted)}`: {problem}'


def _shown(wanted: Any) -> str:
    parameters = list(inspect.signature(wanted).parameters.values())[1:]
    parts: list[str] = []
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in parts:
            parts.append("*")
        parts.append(parameter.name)
    return f"({', '.join(parts)})"


def _cannot_be_called(found: Any, wanted: Any) -> str:
    """Why the method cannot take the arguments that the engine gives it; "" if it can."""
    if inspect.iscoroutinefunction(found) or inspect.isasyncgenfunction(found):
        return "it is asynchronous; it must be a plain method (asyncio.run can wait inside of it)"
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):
        return ""  # written in C: nothing is known of it
    parameters = list(inspect.signature(wanted).parameters.values())[1:]
    by_keyword = {parameter.name: None for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}
    try:
        signature.bind(*[None] * (len(parameters) - len(by_keyword)), **by_keyword)
    except TypeError as error:
        return f"{error} in {signature}"
    return ""
