"""May two runs be compared? Only if they differ in nothing but the policy, or in what one said they may differ in."""

from __future__ import annotations

import fnmatch
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from mmact_eval.runs.fingerprint import ABSENT, differences
from mmact_eval.types import About, Change, Episode, EpisodeResult

PROTOCOL_PARTS = ("suite", "protocol", "seed", "physics", "versions")
"""The parts of a fingerprint that two arms share. The rest is the policy, which is what is compared."""

SCENE = "scene"
"""The name under which differing scenes may be allowed."""

EPISODES = "episodes"
"""What differs if two runs have no episode in common, which nothing can allow."""


def protocol_differences(
    first: Mapping[str, Any], second: Mapping[str, Any], allow: Sequence[str] = ()
) -> tuple[About, ...]:
    """What of the protocol differs, as ``protocol.max_steps: 280 → 100``.

    Args:
        first, second: fingerprints.
        allow: fields that may differ, as patterns: ``protocol.replan``, ``versions.*``.
    """
    before, now = ({part: print_.get(part, {}) for part in PROTOCOL_PARTS} for print_ in (first, second))
    lines = differences(before, now)
    blocked = [line for line in lines if not is_allowed(line.field, allow)]
    if any(line.field.startswith(_ENV_ARGS) and is_allowed(line.field, allow) for line in lines):
        blocked = [line for line in blocked if not _only_one_has(line)]
    return tuple(blocked)


_ENV_ARGS = "suite.env_args."


def _only_one_has(line: Change) -> bool:
    """Whether it is a version that matters to one side alone, as the OpenGL of a renderer: then it follows from what
    the environment was told."""
    return line.field.startswith("versions.") and ABSENT in (line.before, line.now)


def is_allowed(field: str, allow: Sequence[str]) -> bool:
    """Whether a field matches a pattern; a part's name stands for all in it (``versions`` for ``versions.mujoco``)."""
    return any(fnmatch.fnmatchcase(field, entry) or field.startswith(f"{entry}.") for entry in allow)


def allowing(blocked: Sequence[About]) -> str:
    """The options that allow these differences, ``--allow protocol.replan``; "" if there are none."""
    return " ".join(f"--allow {shlex.quote(reason.field)}" for reason in blocked if reason.field != EPISODES)


def scene_difference(
    first: Mapping[Episode, EpisodeResult], second: Mapping[Episode, EpisodeResult], allow: Sequence[str] = ()
) -> tuple[About, ...]:
    """A sentence if the same episodes began in different scenes, which no equal protocol allows; else nothing."""
    if is_allowed(SCENE, allow):
        return ()
    both = [(first[episode].scene_hash, second[episode].scene_hash) for episode in first if episode in second]
    known = [(a, b) for a, b in both if a and b]
    changed = sum(a != b for a, b in known)
    if not changed:
        return ()
    return (About(SCENE, f"{changed} of {len(known)} episodes began in another scene (their scene hashes differ)"),)
