"""Values typed on the command line: ``--policy-args k=v``, ``--set a.b=c``."""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

import click
import yaml


class Workers(click.IntRange):
    """How many workers: a positive number, or ``auto``, which becomes 0."""

    name = "number or auto"

    def __init__(self) -> None:
        super().__init__(min=1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """See `click.ParamType.convert`."""
        return 0 if value in ("auto", 0) else int(super().convert(value, param, ctx))

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """What `--help` shows for the value."""
        return "N|auto"


def parse_value(text: str) -> Any:
    """What a person means by it: numbers, true, false, null, JSON or YAML lists and maps; all else is text.

    Not plain YAML, whose version 1.1 takes ``1e-3`` for text, ``on`` for true, ``0123`` for 83 and ``12:30`` for 750.
    """
    with contextlib.suppress(ValueError):
        return json.loads(text)
    words = {"true": True, "false": False, "null": None, "none": None, "~": None}
    if text.lower() in words:
        return words[text.lower()]
    if text.startswith(("[", "{")):
        try:
            return yaml.safe_load(text)
        except yaml.YAMLError:
            return text
    if re.fullmatch(r"[-+]?(\d+\.?|\d*\.\d+)([eE][-+]?\d+)?", text) and not re.match(r"[-+]?0\d", text):
        return float(text)  # .5, 1. and +1e3, which JSON does not know
    return text


def number_or_auto(ctx: click.Context, parameter: click.Parameter, value: str) -> int | str:
    """A whole number from 0 on, or ``auto``: what `EngineOptions.policy_replicas` takes."""
    if value == "auto":
        return value
    found: int = _Number(min=0)(value, parameter, ctx)
    return found


class _Number(click.IntRange):
    name = Workers.name
