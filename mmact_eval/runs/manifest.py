"""``manifest.json``: what a run was asked for and what it was made with, as a typed model.

It is made here (`Manifest.of`) and understood here (`Manifest.parse`); `mmact_eval.runs.reading` opens the file. What
is made holds nothing that the model does not know. What is read may, and keeps it: writing it again loses nothing.
Nothing need be there but the fingerprint: folders of 0.1 lack what came later.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, InstanceOf, ValidationError, ValidationInfo, model_validator

from mmact_eval.errors import RunFolderError, UsageError
from mmact_eval.machine import host
from mmact_eval.policy_output import json_data
from mmact_eval.runs import fingerprint as provenance
from mmact_eval.runs.made_with import MadeWith
from mmact_eval.suite import Suite

if TYPE_CHECKING:
    from mmact_eval.identity.made_policy import MadePolicy
    from mmact_eval.specs import EnvSpec, PolicySpec

VERSION = 1
"""Of what is written. 0 are the manifests from before it was written; they have the same fields."""

_SCHEMA = 1

Text = InstanceOf[str]
"""Not `str`: pydantic refuses in some versions what is no Unicode, and a command line may hold a file's raw name."""

_READING = {"reading": True}


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)

    @model_validator(mode="after")
    def _known(self, info: ValidationInfo) -> _Part:
        if self.model_extra and not (info.context or {}).get("reading"):
            raise ValueError(f"no such field: {', '.join(self.model_extra)}")
        return self


class SuitePart(_Part):
    """The suite as its file has it, without the protocol; see `mmact_eval.suite.Suite`."""

    name: Text = ""
    env: Text = ""
    env_args: dict[str, Any] = {}
    tasks: list[Text] = []
    aliases: list[Text] = []
    title: Text = ""
    description: Text = ""
    source: Text = ""


class PolicyPart(_Part):
    """The policy; see `mmact_eval.specs.PolicySpec`.

    Attributes:
        target: what it was asked for as, where it lies included, without passwords.
        args: its arguments, without those that only say how it is reached; None if they are not known.
        checkpoint: "" if it has none, None if that is not known.
    """

    target: Text = ""
    name: Text = ""
    args: dict[str, Any] | None = None
    checkpoint: Text | None = None
    chunk: int | None = None
    privileged: bool = False
    deterministic: bool = True
    not_real: Text = ""


class ActionPart(_Part):
    """The environment's actions; see `mmact_eval.specs.ActionSpec`."""

    dim: int | None = None
    control: Text = ""
    frame: Text = ""
    rotation: Text = ""
    gripper: Text = ""
    low: float | None = None
    high: float | None = None
    hz: float | None = None
    description: Text = ""


class EnvPart(_Part):
    """The environment; see `mmact_eval.specs.EnvSpec`."""

    name: Text = ""
    cameras: dict[str, Any] = {}
    image_convention: Text = ""
    state: dict[str, Any] = {}
    action: ActionPart = ActionPart()
    privileged: bool = False
    not_real: Text = ""
    pictures_differ: Text = ""
    proprioception: list[Text] = []
    disturbable: bool = False
    stages: int = 1
    physics: dict[str, Any] | None = None


class ShardPart(_Part):
    """Which part of a run a folder holds; see `mmact_eval.runs.shard`.

    Attributes:
        index, count: part `index`, from 0, of `count`.
    """

    index: int = 0
    count: int = 1

    @property
    def in_words(self) -> str:
        """``part 0 of 3``."""
        return f"part {self.index} of {self.count}"


class Manifest(_Part):
    """A run's manifest.

    Attributes:
        schema_: a constant, from before there were versions.
        manifest_version: of the file's fields, see `VERSION`.
        created: when, ISO 8601.
        fingerprint: everything that can change a result, nested plain data; `made_with` has it by name.
        digest: short hash of the fingerprint as it was written, "" if it was not.
        suite, policy, env: what was run, and in which world.
        protocol: as in the suite's file, with the `replan` that came of it.
        versions: package → version, of the environment and of what else matters.
        seed: the run's.
        command: as typed.
        tasks: names in the benchmark's order, of those asked for.
        tasks_in_suite: how many the suite has.
        episodes_planned: of all tasks together, or task → number; None if nobody knows.
        shard: which part of a run it is, with `tasks` and `episodes_planned` of the part; None for a whole one.
    """

    schema_: int = Field(default=_SCHEMA, alias="schema")
    manifest_version: int = 0
    created: Text = ""
    fingerprint: dict[str, Any] = {}
    digest: Text = ""
    suite: SuitePart = SuitePart()
    protocol: dict[str, Any] = {}
    policy: PolicyPart = PolicyPart()
    env: EnvPart = EnvPart()
    versions: dict[str, Any] = {}
    seed: int | None = None
    command: list[Text] = []
    tasks: list[Text] = []
    tasks_in_suite: int | None = None
    episodes_planned: int | dict[str, int] | None = None
    shard: ShardPart | None = None

    @classmethod
    def of(
        cls,
        suite: Suite,
        env_spec: EnvSpec,
        spec: PolicySpec,
        made: MadePolicy,
        asked: Mapping[str, Any],
        **scope: Any,
    ) -> Manifest:
        """The manifest of a new run.

        Args:
            suite: what is evaluated.
            env_spec: of its environment.
            spec: of what acts.
            made: what that is made of.
            asked: the run's fingerprint.
            scope: ``tasks``, ``tasks_in_suite`` and ``episodes_planned``; ``shard`` of a part.

        Raises:
            UsageError: a spec holds what it must not.
        """
        about = {name: json_data(getattr(spec, name)) for name in PolicyPart.model_fields if hasattr(spec, name)}
        told = MadeWith(asked)
        try:
            return cls(
                schema=_SCHEMA,
                manifest_version=VERSION,
                created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
                fingerprint=dict(asked),
                digest=provenance.digest(asked),
                suite=SuitePart.model_validate(suite.model_dump(mode="json", exclude={"protocol"})),
                protocol={**suite.protocol.model_dump(mode="json"), "replan": told.replan},
                policy=PolicyPart(target=made.typed, args=dict(told.policy_args), **about),
                env=EnvPart.model_validate(provenance.describe_env(env_spec), context=_READING),
                versions={**told.versions, **host.package_versions()},
                seed=told.seed,
                command=host.command_line(),
                **scope,
            )
        except ValidationError as error:
            raise UsageError(
                f"the specs of environment {env_spec.name} and policy {spec.name}: {_in_words(error)}."
            ) from error

    @classmethod
    def parse(cls, data: object, where: str = "the manifest") -> Manifest:
        """Understand what was read.

        Args:
            data: the file's content.
            where: the file, for messages.

        Raises:
            RunFolderError: it is no manifest, names the field that is damaged, or a newer version has written it.
        """
        if not isinstance(data, Mapping) or not isinstance(data.get("fingerprint"), Mapping):
            raise RunFolderError(f"{where} is not the manifest of a run.")
        version = data.get("manifest_version", 0)
        if isinstance(version, int) and version > VERSION:
            raise RunFolderError(
                f"{where} was written by a newer mmact-eval (manifest version {version}, this one reads up to "
                f"{VERSION}): pip install -U mmact-eval"
            )
        try:
            found = cls.model_validate(data, context=_READING)
        except ValidationError as error:
            problem: str | None = _in_words(error)
        else:
            problem = _no_number({"fingerprint.protocol": found.made_with.protocol, "protocol": found.protocol})
            if problem is None:
                return found
        raise RunFolderError(f"{where} is damaged, {problem}. Put that right, or put a copy of the file back.")

    @property
    def made_with(self) -> MadeWith:
        """What of the fingerprint is asked for by name."""
        return MadeWith(self.fingerprint)

    @property
    def settings(self) -> Mapping[str, Any]:
        """The protocol, with what only the fingerprint has of it."""
        return {**self.made_with.protocol, **self.protocol}

    @property
    def fingerprint_digest(self) -> str:
        """Of the fingerprint as it is, which records are bound to."""
        return provenance.digest(self.fingerprint)

    def suite_asked(self) -> Suite:
        """The suite that was evaluated, to evaluate it again.

        Raises:
            pydantic.ValidationError: the manifest does not tell it.
        """
        return Suite.model_validate({**self.suite.model_dump(exclude_unset=True), "protocol": self.protocol})

    def about_results(self) -> dict[str, Any]:
        """As in the file, without what only concerns the machine and the day."""
        kept = ("fingerprint", "digest", "suite", "protocol", "policy", "env", "versions", "seed")
        return {name: value for name, value in self.to_json().items() if name in kept}

    def to_json(self) -> dict[str, Any]:
        """JSON-ready data, as it was read or made: what was not there is not added."""
        return self.model_dump(by_alias=True, exclude_unset=True)


def part_in_words(shard: ShardPart | None) -> str:
    """``part 0 of 3``; ``the whole`` for none."""
    return "the whole" if shard is None else shard.in_words


def _no_number(data: Mapping[str, Any], prefix: str = "") -> str | None:
    """What of nested data is infinite or NaN, in words; a protocol holds no such number. None if nothing is."""
    for key, value in data.items():
        if isinstance(value, Mapping):
            problem = _no_number(value, f"{prefix}{key}.")
            if problem is not None:
                return problem
        elif isinstance(value, float) and not math.isfinite(value):
            return f"{prefix}{key}: Input should be a finite number (there is {value})"
    return None


def _in_words(error: ValidationError) -> str:
    """``env.action.dim: Input should be a valid integer (there is "two")``, of the first thing that is wrong."""
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    found = repr(first["input"])
    return f"{field}: {first['msg']} (there is {found if len(found) < 60 else found[:57] + '…'})"
