"""Pydantic's errors in words a person who writes YAML knows: map and list, not dictionary and tuple."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from mmact_eval.errors import did_you_mean

Loc = tuple[int | str, ...]


def explain(error: ValidationError, model: type[BaseModel]) -> Iterator[tuple[Loc, str]]:
    """(location, sentence) for each error."""
    for item in error.errors(include_url=False):
        # A wrong key of a map is reported below the map as (…, key, "[key]").
        loc: Loc = tuple(part for part in item["loc"] if part != "[key]")
        kind = item["type"]
        if kind == "missing":
            yield loc, f"required field is missing; it must be {_of(model, loc)}"
        elif kind == "extra_forbidden":
            known = sorted(_fields(model, loc[:-1]))
            hint = did_you_mean(str(loc[-1]), known) or f" Known: {', '.join(known)}."
            yield loc, f"unknown field.{hint}"
        elif kind in ("value_error", "assertion_error"):
            yield loc, str(item["msg"]).partition(", ")[2]
        else:
            yield loc, f"must be {_of(model, loc) or item['msg']}, not {_shown(item['input'])}"


def _shown(value: object) -> str:
    text = "empty" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _fields(model: type[BaseModel], loc: Loc) -> dict[str, FieldInfo]:
    """The fields of the model at `loc`, through maps and lists of models; {} if there is none."""
    annotation: Any = model
    for part in loc:
        annotation = _below(annotation, part)
    found = _model_in(annotation)
    return dict(found.model_fields) if found else {}


def _below(annotation: Any, part: int | str) -> Any:
    """The type of what is at `part` (a field, a map's key, a list's index) of a value of this type; None if unknown."""
    model = _model_in(annotation)
    if model is not None:
        found = model.model_fields.get(str(part))
        return found.annotation if found else None
    container = next((choice for choice in _choices(annotation) if get_origin(choice) in (dict, tuple, list)), None)
    if container is None:
        return None
    args = get_args(container)
    return args[1] if get_origin(container) is dict else args[0]


def _choices(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, or the type alone; without `Annotated`."""
    if get_origin(annotation) is Annotated:
        return _choices(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(choice for part in get_args(annotation) for choice in _choices(part))
    return (annotation,)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    return next((c for c in _choices(annotation) if isinstance(c, type) and issubclass(c, BaseModel)), None)


def _of(model: type[BaseModel], loc: Loc) -> str:
    """What the field at `loc` must be: its description or else its type, in words; "" if there is no such field."""
    for depth in range(len(loc), 0, -1):
        found = _fields(model, loc[: depth - 1]).get(str(loc[depth - 1]))
        if found is None:
            continue
        if found.description:
            return found.description
        annotation = found.annotation
        for part in loc[depth:]:
            annotation = _below(annotation, part)
        return _type_in_words(annotation, found.metadata if depth == len(loc) else [])
    return ""


def _type_in_words(annotation: Any, metadata: list[Any]) -> str:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_in_words(args[0], [*metadata, *args[1:]])
    if origin in (Union, types.UnionType):
        parts = ["null" if part is type(None) else _type_in_words(part, metadata) for part in args]
        return " or ".join(parts)
    if origin is Literal:
        return "one of " + ", ".join(str(value) for value in args)
    if origin in (tuple, list):
        return f"a list, each item {_type_in_words(args[0], [])}"
    if origin is dict or (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return "a map"
    name = {int: "an integer", float: "a number", str: "text", bool: "true or false"}.get(annotation, "another value")
    return name + _bounds(metadata)


def _bounds(metadata: list[Any]) -> str:
    words = []
    for item in metadata:
        for attribute, sign in (("ge", "≥ "), ("gt", "> "), ("le", "≤ "), ("lt", "< ")):
            value = getattr(item, attribute, None)
            if value is not None:
                words.append(f"{sign}{value:g}" if isinstance(value, float) else f"{sign}{value}")
    return " " + " and ".join(words) if words else ""
