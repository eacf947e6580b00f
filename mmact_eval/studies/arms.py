"""From a study and what was typed to one run for each arm."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmact_eval.config import suite_file
from mmact_eval.engine.options import EngineOptions
from mmact_eval.errors import UsageError, did_you_mean
from mmact_eval.observers.video import VideoMode
from mmact_eval.policy_output import plain_data
from mmact_eval.runs import fingerprint as provenance
from mmact_eval.runs.request import Extension, RunRequest, of_part
from mmact_eval.runs.shard import Shard
from mmact_eval.studies.study_file import StudyArm, StudyFile
from mmact_eval.suite import Suite
from mmact_eval.transforms import transformed


@dataclass(frozen=True)
class Asked:
    """What was typed; None where the study's file decides.

    Attributes:
        suite, policy, tasks, episodes, init_states, seed: instead of the base's.
        policy_args: laid over the base's.
        overrides: ``--set``, for the suite; what the study sets wins.
        arms: names of the arms to run now; empty for all.
        shard: of each arm only this part of the episodes; None for all.
        video, plan_reference, options: how each arm is run.
    """

    suite: str | None = None
    policy: str | None = None
    policy_args: Mapping[str, Any] = field(default_factory=dict)
    tasks: str | None = None
    episodes: int | None = None
    init_states: str | None = None
    seed: int | None = None
    overrides: Sequence[str] = ()
    arms: Sequence[str] = ()
    shard: Shard | None = None
    video: VideoMode = "none"
    plan_reference: str | None = None
    options: EngineOptions = field(default_factory=EngineOptions)


@dataclass(frozen=True)
class Arm:
    """An arm, ready to be run.

    Attributes:
        name, label: for folders and for reports.
        request: the run; the baseline's and the others' episodes are the same.
        changes: what it changes of the base run, plain data.
    """

    name: str
    label: str
    request: RunRequest
    changes: Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """A study with everything decided.

    Attributes:
        file: the study.
        base: what all arms share, plain data; a folder is bound to it.
        arms: all arms of the study, also those not run now.
        chosen: names of those to run, the baseline first.
        folder: the study's.
    """

    file: StudyFile
    base: Mapping[str, Any]
    arms: tuple[Arm, ...]
    chosen: tuple[str, ...]
    folder: Path

    @property
    def allow(self) -> list[str]:
        """The protocol fields in which the arms differ on purpose."""
        parts = [part for arm in self.file.arms for _, part in arm.parts]
        fields = {f"protocol.{key}" for part in parts for key in part.protocol}
        fields |= {f"suite.env_args.{key}" for part in parts for key in part.env_args}
        return sorted({*fields, "protocol.replan"})  # which follows from the policy's chunk too


def plan(file: StudyFile, asked: Asked, out: Path | None = None) -> Plan:
    """Decide everything before anything runs.

    Args:
        file: the study.
        asked: what was typed.
        out: the study's folder; None for one under ``runs/studies``. A part has a folder below it.

    Raises:
        UsageError: an unknown suite or arm, or a protocol that is none, in any arm.
    """
    base = file.study.base
    suite_name = asked.suite or base.suite
    checked = _suite(file, suite_name, asked.overrides, ("base",))
    policy = asked.policy or base.policy
    seed = base.seed if asked.seed is None else asked.seed
    args = {**(base.policy_args if policy == base.policy else {}), **asked.policy_args}
    shared: dict[str, Any] = {
        "suite": checked.model_dump(mode="json", include={"name", "env", "env_args", "protocol"}),
        "policy": policy,
        "policy_args": plain_data(args),
        "transforms": [transform.model_dump(exclude_none=True) for transform in base.transforms],
        "seed": seed,
    }
    folder = of_part(out or _default_folder(file.study.name, checked.name, shared, asked), asked.shard)
    arms = tuple(_arm(file, arm, asked, shared, folder) for arm in file.arms)
    return Plan(file, shared, arms, _chosen(file, asked.arms), folder)


def _arm(file: StudyFile, arm: StudyArm, asked: Asked, shared: Mapping[str, Any], folder: Path) -> Arm:
    base = file.study.base
    policy, args = shared["policy"], dict(shared["policy_args"])
    transforms = list(base.transforms)
    for _, part in arm.parts:
        if part.policy is not None and part.policy != policy:
            policy, args = part.policy, {}
        args |= part.policy_args
        transforms += part.transforms
    suite = _suite(file, asked.suite or base.suite, asked.overrides, ("base",), *(loc for loc, _ in arm.parts))
    wrap = functools.partial(transformed, transforms=transforms, protocol=suite.protocol)
    request = RunRequest(
        suite=suite,
        policy=policy,
        policy_args=args,
        tasks=asked.tasks or base.tasks,
        episodes=asked.episodes or base.episodes,
        init_states=asked.init_states or base.init_states,
        seed=shared["seed"],
        shard=asked.shard,
        out=folder / arm.name,
        video=asked.video,
        plan_reference=asked.plan_reference,
        options=asked.options,
        extension=Extension(wrap=wrap),
    )
    changes = [part.model_dump(mode="json", exclude_defaults=True, exclude_none=True) for _, part in arm.parts]
    return Arm(arm.name, arm.label, request, {"label": arm.label, "changes": changes})


def _suite(file: StudyFile, name: str, overrides: Sequence[str], *holders: tuple[int | str, ...]) -> Suite:
    suite_file.load_suite(name, overrides)  # what is wrong with the suite itself is said of the suite
    return suite_file.unchecked(name, overrides).extended_by(file.of_suite(*holders)).checked(Suite)


def _default_folder(study: str, suite: str, shared: Mapping[str, Any], asked: Asked) -> Path:
    """``runs/studies/<study>/<suite>-<policy>-seed<seed>``, with a short hash of what else was typed."""
    name = str(shared["policy"]).rsplit("/", 1)[-1].replace(".py:", "-").replace(":", "-")
    if asked.policy_args or asked.overrides:
        typed = {"args": plain_data(dict(asked.policy_args)), "set": sorted(asked.overrides)}
        name += f"-{provenance.digest(typed)[:6]}"
    return Path("runs") / "studies" / study / f"{suite}-{name}-seed{shared['seed']}"


def _chosen(file: StudyFile, wanted: Sequence[str]) -> tuple[str, ...]:
    names = [arm.name for arm in file.arms]
    by_label = {arm.label: arm.name for arm in file.arms}
    for name in wanted:
        if name not in names and name not in by_label:
            raise UsageError(
                f'--arms: study {file.study.name} has no arm "{name}".{did_you_mean(name, names)} '
                f"It has: {', '.join(names)}."
            )
    chosen = {by_label.get(name, name) for name in wanted} or set(names)
    return tuple(sorted((name for name in names if name in chosen), key=lambda name: name != file.baseline))
