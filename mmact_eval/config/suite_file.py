"""Reading suites: names and aliases, ``extends``, ``--set``.

A file may say ``extends: other-suite`` (or a path relative to itself). It then takes over the other's environment, its
arguments, tasks and protocol, field by field, and may change any of them; what identifies a suite (name, aliases,
title, description, source) is never taken over.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

from mmact_eval.config.yaml_file import Document, read
from mmact_eval.errors import UsageError, did_you_mean
from mmact_eval.machine.user_folders import expanded
from mmact_eval.suite import Suite

_INHERITED = ("env", "env_args", "tasks", "protocol")


def load_suite(name_or_path: str, overrides: Sequence[str] = (), changes: Mapping[str, object] = {}) -> Suite:
    """A suite by name or alias, or from a YAML file.

    Args:
        name_or_path: ``libero-long``, ``libero_10`` (aliases; case does not matter), or a path: whatever contains a
            ``/`` or ends in ``.yaml`` or ``.yml``.
        overrides: ``protocol.max_steps=100``: fields to change, their values in YAML; checked by the same rules. Of a
            map (``protocol={max_steps: 100}``) the named fields change.
        changes: likewise, field → plain data.

    Raises:
        UsageError: no such suite, or something in it is wrong; a line for each error, with file, line and field.
    """
    document = unchecked(name_or_path, overrides)
    for field, value in changes.items():
        document = document.with_value(field, value)
    return document.checked(Suite)


def unchecked(name_or_path: str, overrides: Sequence[str] = ()) -> Document:
    """A suite with all it extends and overrides, to be changed further before it is checked.

    Raises:
        UsageError: no such suite, or it cannot be read.
    """
    document = _resolved(_find(name_or_path), ())
    for override in overrides:
        document = document.set(override)
    return document


def list_suites() -> list[Suite]:
    """The suites of the package, by environment; those that vary another suite come after the originals."""
    varied = {name for name, document in _package().items() if "extends" in document.data}
    suites = [_resolved(document, ()).checked(Suite) for document in _package().values()]
    return sorted(suites, key=lambda suite: (suite.env, suite.name in varied, suite.name))


@functools.cache
def _package() -> dict[str, Document]:
    """Name → unchecked file of the package; what lies in ``studies/`` is none."""
    # Asked for by name, so that the engine depends on no plug-in folder.
    folder = Path(str(resources.files("mmact_eval.suites")))
    files = sorted(path for path in folder.rglob("*.yaml") if path.parent.name != "studies")
    return {path.stem: read(path) for path in files}


def is_path(text: str) -> bool:
    """Whether it names a file and not a thing of the package."""
    return "/" in text or text.lower().endswith((".yaml", ".yml"))


def canonical(name: str) -> str:
    """The form in which names and aliases are compared: `LIBERO_10` and `libero-10` are the same."""
    return name.lower().replace("_", "-")


def _find(name_or_path: str) -> Document:
    if is_path(name_or_path):
        return read(expanded(name_or_path), name_or_path)
    wanted = canonical(name_or_path)
    known = dict.fromkeys(_package(), "")
    for name, document in _package().items():
        if wanted == name:
            return document
        for alias in document.data.get("aliases") or ():
            known[str(alias)] = name
            if wanted == canonical(str(alias)):
                return document
    raise UsageError(
        f'There is no suite "{name_or_path}".{did_you_mean(wanted, known)}'
        " `mmact-eval list suites` shows them all; a file is named by its path, e.g. ./my-suite.yaml"
    )


def _resolved(document: Document, inside: tuple[str, ...]) -> Document:
    """The document with what it extends filled in."""
    if "extends" not in document.data:
        return document
    loc = ("extends",)
    base_name = document.data["extends"]
    own = document.without(loc)
    if not isinstance(base_name, str) or not base_name:
        raise UsageError(document.message(loc, "must be the name of a suite or the path of a file"))
    here = Path(document.name).parent
    try:
        base = _find(str(here / expanded(base_name)) if is_path(base_name) else base_name)
    except UsageError as error:
        raise UsageError(document.message(loc, str(error))) from None
    chain = (*inside, document.name)
    if base.name in chain:
        raise UsageError(document.message(loc, f"goes in a circle: {' → '.join((*chain, base.name))}"))
    base = _resolved(base, chain)
    for key in [key for key in base.data if key not in _INHERITED]:
        base = base.without((key,))
    return base.extended_by(own)
