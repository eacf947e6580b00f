"""That all servers of a run serve one model, also those that come back: what they say of themselves is compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mmact_eval.errors import UsageError, did_you_mean
from mmact_eval.policies.remote.pool import Refused
from mmact_eval.policies.remote.wire.specs import KEY, read_spec
from mmact_eval.policy_output import json_data
from mmact_eval.runs.fingerprint import differences
from mmact_eval.specs import PolicySpec
from mmact_eval.types import About

RECORDED_AS = "policy.config.metadata."
"""Where a run's fingerprint holds what a server says of itself."""

_IS_THE_MODEL = (KEY, "made_of.code", "made_of.paths")
"""What a server of ours says that is never beside the point."""

_SHOWN = 5
_WIDTH = 160
"""Differences of a message, and characters of each."""


class SameModel:
    """Remembers what the first server says of itself, and refuses those that say something else."""

    def __init__(self, policy: str, ignored: object) -> None:
        """
        Args:
            policy: whose argument `ignored` is.
            ignored: keys that say nothing about the model, as text with commas or a list; dots lead into maps.

        Raises:
            UsageError: `ignored` is no such thing.
        """
        entries = ignored.split(",") if isinstance(ignored, str) else ignored or ()
        if not isinstance(entries, Sequence) or not all(isinstance(entry, str) for entry in entries):
            raise UsageError(f'policy {policy}: ignore_metadata must name keys, such as "pid,started", got {ignored!r}')
        self._policy = policy
        self._ignored = tuple(dict.fromkeys(entry.strip() for entry in entries if entry.strip()))
        self._first: dict[str, Any] | None = None
        self._url = ""

    @property
    def said(self) -> dict[str, Any]:
        """What the servers say of themselves as plain data, without the ignored keys; {} before the first was heard."""
        return self._first or {}

    def announced(self) -> PolicySpec:
        """The spec of a server of ours, with whatever else it says of itself.

        Raises:
            WireError: it cannot be read.
        """
        spec = read_spec(self.said[KEY])
        return replace(spec, config={**spec.config, "metadata": _without(self.said, (KEY,))})

    def check(self, url: str, said: Mapping[str, Any]) -> None:
        """Hear what a server says of itself.

        Raises:
            Refused: the first one says something else; names both and what differs.
            UsageError: the first one does not say what is to be ignored.
        """
        plain = json_data(said)
        told = _without(plain, self._ignored)
        if self._first is None:
            self._check_ignored(plain)
            self._first, self._url = told, url
            return
        changed = differences(self._first, told)
        if changed:
            where = "the run began with" if url == self._url else self._url
            text = f"{url} serves another policy than {where}: {_shortened(changed)}. A run is of one model."
            raise Refused(f"{text} {self._advice([line.field for line in changed])}".rstrip())

    def weigh(self, changed: Sequence[About]) -> tuple[list[About], str]:
        """Of the differences between two fingerprints, those that count, and what can be done about them.

        See `mmact_eval.optional.WeighsDifferences`.
        """
        ignored = tuple(f"{RECORDED_AS}{path}." for path in self._ignored)
        counts = [line for line in changed if not f"{line.field}.".startswith(ignored)]
        said = [line.field.removeprefix(RECORDED_AS) for line in counts if line.field.startswith(RECORDED_AS)]
        return counts, self._advice(said) if said else ""

    def _check_ignored(self, said: Mapping[str, Any]) -> None:
        known = list(_paths(said))
        for path in self._ignored:
            if path not in known:
                raise UsageError(
                    f'policy {self._policy}: ignore_metadata: the server says nothing of "{path}"; it tells: '
                    f"{', '.join(known)[:500] or 'nothing'}.{did_you_mean(path, known)}"
                )

    def _advice(self, fields: Sequence[str]) -> str:
        """Which of them can be left out; not what a server of ours says of its policy's spec and files."""
        paths = [field for field in fields if not field.startswith(_IS_THE_MODEL)]
        if not paths:
            return ""
        paths = list(dict.fromkeys([*self._ignored, *paths]))
        return (
            "If what differs says nothing about the model (a start time, a process number), leave it out: "
            f"--policy-args ignore_metadata={','.join(paths)}"
        )


def _without(said: Mapping[str, Any], ignored: Sequence[str], prefix: str = "") -> dict[str, Any]:
    return {
        key: _without(value, ignored, f"{prefix}{key}.") if isinstance(value, Mapping) else value
        for key, value in said.items()
        if f"{prefix}{key}" not in ignored
    }


def _paths(said: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in said.items():
        yield f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _paths(value, f"{prefix}{key}.")


def _shortened(lines: Sequence[str]) -> str:
    shown = [line if len(line) <= _WIDTH else f"{line[:_WIDTH]}…" for line in lines[:_SHOWN]]
    return "; ".join([*shown, f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else shown)
