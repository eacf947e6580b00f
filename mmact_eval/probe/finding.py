"""What a probe finds, check by check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Verdict = Literal["ok", "suspicious", "fault", "cannot tell", "note"]
"""``note``: worth knowing, and neither good nor bad by itself."""


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        group: ``answers``, ``inputs``, ``images``, ``state`` or ``actions``.
        name: what was checked, in words.
        verdict: see `Verdict`.
        detail: what was seen, in words.
        todo: what to change, "" if there is nothing to do.
        numbers: the figures behind it.
    """

    group: str
    name: str
    verdict: Verdict
    detail: str
    todo: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)
