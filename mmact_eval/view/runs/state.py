"""How a run is: from what its folder says, when that last changed, and who holds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mmact_eval.runs.files.live import Live
from mmact_eval.view.runs.holder import Held
from mmact_eval.wording import duration

State = Literal["starting", "running", "silent", "finished", "stopped", "failed", "killed", "incomplete", "damaged"]
"""``silent``: it says that it runs, and has not been heard of for long. ``killed``: its process has ended without a
word. ``incomplete``: nobody is known to work on it."""

ACTIVE: Sequence[State] = ("running", "starting", "silent")
"""States of runs that somebody works on, as far as one knows."""

_PATIENCE = 25.0
"""Seconds without news before a run counts as silent, at least."""

_RECENT = 90.0
"""Seconds since a result within which a run that tells nothing about itself counts as running."""


@dataclass(frozen=True)
class Signs:
    """What is known of a run.

    Attributes:
        live: what it says of itself, None if nothing.
        live_age: seconds since that last changed.
        held, pid: who holds the folder.
        done, planned: episodes; None if nobody knows.
        changed_age: seconds since its episodes last changed, None if there are none.
    """

    live: Live | None
    live_age: float
    held: Held
    pid: int | None
    done: int
    planned: int | None
    changed_age: float | None


def judge(signs: Signs) -> tuple[State, str]:
    """The state, and what is to be said of it, a part of a sentence; "" if nothing."""
    if signs.live is None or not signs.live.state:
        return _without_word(signs)
    return _running(signs, signs.live) if signs.live.state == "running" else _ended(signs, signs.live)


def _complete(signs: Signs) -> bool:
    return signs.planned is not None and signs.done >= signs.planned


def _running(signs: Signs, live: Live) -> tuple[State, str]:
    heard = signs.live_age <= max(_PATIENCE, 5.0 * live.every)
    if signs.held == "held" and signs.pid != live.pid:
        return "starting", "a new start is getting ready"
    if signs.held == "free":
        if _complete(signs):
            return "finished", ""
        return ("running", "") if heard and signs.live_age < 2.0 * live.every else ("killed", "its process has ended")
    if heard:
        return "running", ""
    since = duration(signs.live_age)
    if signs.held == "held":
        return "silent", f"its process is there and has said nothing for {since}: it may be stopped or frozen"
    return "silent", f"no sign of life for {since}"


def _ended(signs: Signs, live: Live) -> tuple[State, str]:
    if signs.held == "held" and signs.pid != live.pid:
        return "starting", "a new start is getting ready"
    if live.state == "failed":
        return "failed", live.why
    if live.state == "finished" or _complete(signs):
        return "finished", ""
    return "stopped", live.why


def _without_word(signs: Signs) -> tuple[State, str]:
    if signs.held == "held":
        return ("running", "") if signs.done else ("starting", "it is getting ready")
    if _complete(signs):
        return "finished", ""
    if signs.held == "unknown" and signs.changed_age is not None and signs.changed_age < _RECENT:
        return "running", ""
    return "incomplete", "nobody is known to work on it"
