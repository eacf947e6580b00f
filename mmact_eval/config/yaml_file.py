"""YAML files checked by pydantic models, with errors that name the file, the line and the field.

Nothing here knows what the files mean. A `Document` remembers where each of its values was written, so that an error
found long after reading (after `extends`, after ``--set``) still points to the line a person has to change.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from mmact_eval.config.yaml_errors import explain
from mmact_eval.errors import UsageError

Loc = tuple[int | str, ...]
"""Where a value is: keys and list indices from the top, as in pydantic's errors."""
Model = TypeVar("Model", bound=BaseModel)

# libyaml is some ten times faster; its absence must only cost time.
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]  # the base class depends on how PyYAML was built
    """Safe YAML in which dates stay text: they would not survive the JSON of a run's manifest."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # PyYAML's own class attribute
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in _Base.yaml_implicit_resolvers.items()
    }


@dataclass
class Document:
    """The content of a file, or of several merged, and where each value comes from.

    Attributes:
        name: file name as shown in messages.
        data: the content; text keys only.
        origin: location → place of its key, ``suites/a.yaml:12`` or ``--set a=b``.
    """

    name: str
    data: dict[str, Any]
    origin: dict[Loc, str]

    def message(self, loc: Loc, text: str) -> str:
        """``suites/a.yaml:12: protocol.max_steps: text``; of something that is not there, its parent's line."""
        at = next(loc[:cut] for cut in range(len(loc), -1, -1) if loc[:cut] in self.origin)
        place = self.origin[at]
        named_already = not loc or (at == loc and place.startswith("--set"))
        return f"{place}: {text}" if named_already else f"{place}: {dotted(loc)}: {text}"

    def extended_by(self, over: Document) -> Document:
        """This document with the values of `over` laid over it; maps are merged key by key, anything else replaced."""
        merged = Document(over.name, dict(self.data), dict(self.origin))
        merged.origin[()] = over.origin[()]
        _merge(merged, merged.data, over, over.data, ())
        return merged

    def without(self, loc: tuple[str]) -> Document:
        """This document without one of its top fields."""
        data = {key: value for key, value in self.data.items() if key != loc[0]}
        return Document(self.name, data, {at: place for at, place in self.origin.items() if at[:1] != loc})

    def set(self, override: str) -> Document:
        """A copy in which ``a.b=value`` has been set; the value is YAML, and taken as `with_value` does.

        Raises:
            UsageError: not of that form, not YAML, or a part of the name is not a map.
        """
        name, equals, text = override.partition("=")
        if not equals:
            raise UsageError(f"--set {override}: write it as FIELD=VALUE, e.g. --set protocol.max_steps=100")
        try:
            value = yaml.load(text, Loader=_Loader)  # a subclass of the safe loader
            if isinstance(value, str) and re.fullmatch(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+", value):
                value = float(value)  # YAML 1.1 takes 1e3 for text; nobody who types it does
        except yaml.YAMLError as error:
            raise UsageError(f"--set {override}: the value is not YAML ({_problem(error)})") from None
        return self.with_value(name, value, override)

    def with_value(self, name: str, value: Any, shown: str = "") -> Document:
        """A copy in which ``a.b`` is this value.

        A map is laid over a map, field by field, as with ``extends``; anything else replaces what was there, and so
        does an empty map.

        Args:
            name: of the field.
            value: plain data, as YAML has it.
            shown: how it was typed, for messages.

        Raises:
            UsageError: the name is none, or a part of it is not a map.
        """
        override = shown or f"{name}={value!r}"
        keys = name.strip().split(".")
        if not all(keys):
            raise UsageError(f"--set {override}: write it as FIELD=VALUE, e.g. --set protocol.max_steps=100")
        changed = Document(self.name, dict(self.data), dict(self.origin))
        here = changed.data
        for depth, key in enumerate(keys[:-1], start=1):
            inner = here.get(key, {})
            if not isinstance(inner, dict):
                raise UsageError(f'--set {override}: "{".".join(keys[:depth])}" is not a map, it has no fields')
            here[key] = here = dict(inner)
        loc, place = tuple(keys), f"--set {override}"
        if isinstance(value, dict) and value and isinstance(here.get(keys[-1]), dict):
            nested = functools.reduce(lambda inner, key: {key: inner}, reversed(keys), value)
            return changed.extended_by(Document(self.name, nested, {(): self.origin[()], loc: place}))
        here[keys[-1]] = value
        changed.origin = {at: where for at, where in changed.origin.items() if at[: len(loc)] != loc}
        changed.origin[loc] = place
        return changed

    def checked(self, model: type[Model]) -> Model:
        """The content as `model`.

        Raises:
            UsageError: one line for each thing that is wrong.
        """
        try:
            return model.model_validate(self.data)
        except ValidationError as error:
            lines = {self.message(loc, text) for loc, text in explain(error, model)}
            raise UsageError("\n".join(sorted(lines, key=_by_line))) from None


def dotted(loc: Loc) -> str:
    """``protocol.cameras[1]``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".")


def read(path: Path, shown: str = "") -> Document:
    """Read a file whose content is a map.

    Args:
        path: the file.
        shown: its name in messages, by default the path.

    Raises:
        UsageError: not there, not text, not YAML, not a map, a key twice, or a key that is not text.
    """
    shown = shown or os.fspath(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"{shown}: there is no such file") from None
    except UnicodeDecodeError:
        raise UsageError(f"{shown}: not a text file in UTF-8") from None
    except OSError as error:
        raise UsageError(f"{shown}: cannot be read ({error.strerror})") from None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            raise UsageError(f'{shown}:1: must be a map of fields, like "name: my-suite"')
        problems = [f"{shown}:{line}: {text}" for line, text in _bad_keys(node, (), ())]
        if problems:
            raise UsageError("\n".join(problems))
        data = loader.construct_document(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{shown}:{mark.line + 1}" if mark else shown
        raise UsageError(f"{where}: not valid YAML: {_problem(error)}") from None
    origin = {loc: f"{shown}:{line}" for loc, line in _lines(node, ())}
    return Document(shown, data, {(): f"{shown}:1", **origin})


def _by_line(message: str) -> list[str]:
    """Sorts line 9 before line 10."""
    return [part.zfill(9) if part.isdigit() else part for part in re.split(r"(\d+)", message)]


def _merge(into: Document, data: dict[str, Any], over: Document, over_data: Mapping[str, Any], loc: Loc) -> None:
    for key, value in over_data.items():
        at = (*loc, key)
        old = data.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            data[key] = dict(old)
            _merge(into, data[key], over, value, at)
        else:
            data[key] = value
            for below in [known for known in into.origin if known[: len(at)] == at]:
                del into.origin[below]
            into.origin.update({known: where for known, where in over.origin.items() if known[: len(at)] == at})
        if at in over.origin:
            into.origin[at] = over.origin[at]


def _bad_keys(node: yaml.Node, loc: Loc, above: Sequence[yaml.Node]) -> Iterator[tuple[int, str]]:
    """(line, message) of keys that are not text, of keys that stand twice, and of maps that contain themselves."""
    if any(node is outer for outer in above):
        yield node.start_mark.line + 1, f"{dotted(loc)}: contains itself"
        return
    if isinstance(node, yaml.MappingNode):
        first: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.tag != "tag:yaml.org,2002:str":
                shown = key.value if isinstance(key, yaml.ScalarNode) else "a list or map"
                yield line, f"{dotted((*loc, str(shown)))}: a field's name must be text; put it in quotes"
                continue
            if key.value in first:
                yield line, f"{dotted((*loc, key.value))}: stands here twice, first in line {first[key.value]}"
            first.setdefault(key.value, line)
            yield from _bad_keys(value, (*loc, key.value), (*above, node))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _bad_keys(item, (*loc, index), (*above, node))


def _lines(node: yaml.Node, loc: Loc) -> Iterator[tuple[Loc, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            at = (*loc, key.value)
            yield at, key.start_mark.line + 1
            yield from _lines(value, at)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*loc, index), item.start_mark.line + 1
            yield from _lines(item, (*loc, index))


def _problem(error: yaml.YAMLError) -> str:
    """libyaml's message without its own file and line, which are those of a buffer."""
    parts = [getattr(error, "context", None), getattr(error, "problem", None)]
    return re.sub(r"\s+", " ", ", ".join(part for part in parts if part)) or str(error)
