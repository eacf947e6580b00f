"""How two descriptions, nested plain data, differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmact_eval.types import Change

ABSENT = "(absent)"
"""What stands for the value of a field that one side has not."""


def differences(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> list[Change]:
    """Every leaf that differs."""
    lines: list[Change] = []
    for key in [*before, *(k for k in now if k not in before)]:
        path = f"{prefix}{key}"
        old, new = before.get(key, ABSENT), now.get(key, ABSENT)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            lines += differences(old, new, f"{path}.")
        elif repr(old) != repr(new):  # by their text, so that NaN equals NaN
            lines.append(Change.of(path, old, new))
    return lines
