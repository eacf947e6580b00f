"""``sessions.jsonl``: a line for each start of a run, for what happened in it, and for its end.

The lines tell about machines and commands; no result depends on them. So what is odd in a line, which somebody may have
edited, is left out, and no line stops a run or a report.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)

from mmact_eval.runs.manifest import ShardPart, Text


class Lenient(BaseModel):
    """A record in which what is odd counts as not there."""

    model_config = ConfigDict(extra="allow", frozen=True)

    @field_validator("*", mode="wrap")
    @classmethod
    def _or_nothing(cls, value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        try:
            return handler(value)
        except ValidationError:
            return cls.model_fields[str(info.field_name)].get_default(call_default_factory=True)


class Machine(Lenient):
    """Where it ran; see `mmact_eval.machine.host.machine`."""

    host: Text = ""
    platform: Text = ""
    python: Text = ""
    cpu: Text = ""
    cores: int | None = None
    memory_gib: float | None = None
    gpus: list[Text] = []
    packages: dict[str, Any] = {}
    git: Text = ""


class Session(Lenient):
    """A line.

    Attributes:
        time: when, ISO 8601.
        event: ``start``, ``renderer`` (another one draws), ``files`` (the policy has read or written some), ``end``;
            ``merge``, after the sessions of the runs that this one was put together from.
        command: as typed.
        pending: episodes that were left to do.
        tasks, tasks_in_suite, episodes_planned, shard: as in the manifest, of this start.
        plan: the episodes of all parts (see `mmact_eval.runs.shard.WholePlan`).
        options: of this start's engine (see `mmact_eval.engine.options.EngineOptions`).
        machine: that it ran on.
        prepared: what a worker has chosen, e.g. ``{"gl": "egl"}``.
        read: files that the policy read while it acted, with hashes.
        wrote: what the policy has written: ``paths`` of arguments, files of its ``code``.
        used: by the engine (see `mmact_eval.engine.options.EngineReport`).
    """

    time: Text = ""
    event: Text = ""
    command: list[Any] = []
    pending: int | None = None
    tasks: list[Text] = []
    tasks_in_suite: int | None = None
    episodes_planned: int | dict[str, int] | None = None
    shard: ShardPart | None = None
    plan: dict[str, dict[str, str]] = {}
    options: dict[str, Any] = {}
    machine: Machine = Machine()
    prepared: dict[str, Any] = {}
    read: dict[str, str] = {}
    wrote: dict[str, list[str]] = {}
    used: dict[str, Any] = {}

    @property
    def workers(self) -> int | None:
        """How many were asked for; None for as many as there were cores for."""
        found = self.options.get("workers")
        return found if isinstance(found, int) and found else None

    @property
    def policy_replicas(self) -> int | None:
        """How many replicas of the policy answered; None if the engine's process did, or as long as it is not known."""
        used, asked = self.used.get("replicas"), self.options.get("policy_replicas")
        if isinstance(used, dict) and used:
            return len(used)
        return asked if isinstance(asked, int) and asked > 0 else None

    @property
    def allows_renderers(self) -> bool:
        """Whether images might be drawn by several renderers."""
        return self.options.get("allow_renderer") is True

    @property
    def peak_memory_mib(self) -> list[float]:
        """Of each worker, MiB; empty if it is not known."""
        found = self.used.get("peak_memory_mib")
        return [peak for peak in found.values() if isinstance(peak, int | float)] if isinstance(found, dict) else []

    def to_json(self) -> dict[str, Any]:
        """JSON-ready data, as it was read: what was not there is not added."""
        return self.model_dump(exclude_unset=True)


def parse_sessions(lines: Iterable[str]) -> list[Session]:
    """The sessions of these lines; what is no session is left out."""
    found = []
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:  # cut by a crash, say
            continue
        if isinstance(record, dict):
            found.append(Session.model_validate(record))
    return found
