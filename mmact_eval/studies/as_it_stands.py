"""A study's folder read without the study's file: which arms there are, and the joint report as it stands.

Nothing is written and nothing asked of a policy, so a study that is running can be looked at, from any machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmact_eval.errors import RunFolderError
from mmact_eval.machine.regular_file import read_bytes
from mmact_eval.results import reporting
from mmact_eval.results.report_data import Report
from mmact_eval.runs.made_with import as_map
from mmact_eval.runs.reading import read_episodes

NAME = "study.json"

_LARGEST = 16 << 20
"""Bytes of a file that is read."""


@dataclass(frozen=True)
class ArmRecord:
    """An arm as the folder has it.

    Attributes:
        name: of its folder.
        label: for people.
        fields: of protocol and environment that it changes on purpose.
    """

    name: str
    label: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class StudyRecord:
    """What ``study.json`` tells.

    Attributes:
        folder: the study's.
        title: for people.
        arms: the baseline first.
        baseline: its name.
        stopped: arm → why it was stopped early.
    """

    folder: Path
    title: str
    arms: tuple[ArmRecord, ...]
    baseline: str
    stopped: Mapping[str, str]

    @property
    def allow(self) -> list[str]:
        """The fields in which arms may differ."""
        return sorted({*(name for arm in self.arms for name in arm.fields), "protocol.replan"})


def read_study(folder: Path) -> StudyRecord:
    """The study in a folder.

    Raises:
        RunFolderError: there is none, or it is damaged.
    """
    file = folder / NAME
    try:
        content = json.loads(read_bytes(file, _LARGEST))
    except OSError as error:
        raise RunFolderError(f"cannot read {file}: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise RunFolderError(f"{file} is damaged: it is no JSON.") from error
    told = as_map(content)
    if not isinstance(told.get("arms"), Mapping) or not told["arms"]:
        raise RunFolderError(f"{file} is damaged: it names no arms.")
    arms = [_arm(str(name), as_map(changes)) for name, changes in told["arms"].items() if _is_name(str(name))]
    baseline = str(told.get("baseline") or (arms[0].name if arms else ""))
    title = str(told.get("title") or told.get("study") or folder.name)
    stopped = {str(name): str(why) for name, why in as_map(told.get("stopped")).items() if why}
    return StudyRecord(folder, title, tuple(sorted(arms, key=lambda arm: arm.name != baseline)), baseline, stopped)


def report_as_it_stands(folder: Path, *others: Path) -> Report:
    """The report of all arms that have completed an episode.

    Args:
        folder: the study's, or that of a part of it.
        others: those of other parts, whose episodes are put together with these, arm by arm.

    Raises:
        RunFolderError: it is no study's folder, no arm has completed an episode, or an arm contradicts itself.
        UsageError: arms cannot be put side by side.
    """
    study = read_study(folder)
    there = {arm: [part / arm.name for part in (folder, *others) if _has_completed(part / arm.name)]
             for arm in study.arms}  # fmt: skip
    shown = [arm for arm, folders in there.items() if folders]
    if not shown:
        raise RunFolderError(f"no arm of the study in {folder} has completed an episode yet.")
    called = {arm: f"{arm.label} (baseline)" if arm.name == study.baseline else arm.label for arm in shown}
    folders = [part for arm in shown for part in there[arm]]
    names = [called[arm] for arm in shown for _ in there[arm]]
    report = reporting.read_report(folders, names, study.allow)
    colon = "" if study.title.endswith("?") else ":"
    title = f"{study.title}{colon} {', '.join(suite.title for suite in report.suites)}"
    return replace(report, title=title, warnings=(*report.warnings, *_warnings(study, shown)))


def _warnings(study: StudyRecord, shown: Sequence[ArmRecord]) -> Iterator[str]:
    labels = {arm.name: arm.label for arm in study.arms}
    there = {arm.name for arm in shown}
    if study.baseline not in there:
        baseline = labels.get(study.baseline, study.baseline)
        yield f"The baseline, {baseline}, has no results; arms are compared with {shown[0].label} instead."
    missing = [arm.label for arm in study.arms if arm.name not in there]
    if missing:
        yield f"Arms of the study that have no results yet: {'; '.join(missing)}."
    for name, why in study.stopped.items():
        if name in there:
            yield (
                f"Arm {labels[name]} was stopped early: {why}. Its rate, interval and p-value do not account for "
                "stopping and tend to exaggerate the difference."
            )


def _arm(name: str, told: Mapping[str, Any]) -> ArmRecord:
    changes = told.get("changes")
    parts = [as_map(part) for part in changes] if isinstance(changes, list) else []
    fields = [f"protocol.{key}" for part in parts for key in as_map(part.get("protocol"))]
    fields += [f"suite.env_args.{key}" for part in parts for key in as_map(part.get("env_args"))]
    return ArmRecord(name, str(told.get("label") or name), tuple(fields))


def _has_completed(folder: Path) -> bool:
    return any(result.outcome != "error" for result in read_episodes(folder)[0].values())


def _is_name(name: str) -> bool:
    """Whether it is a folder's name, and not a way to somewhere else."""
    return bool(name) and name not in (".", "..") and "/" not in name and "\0" not in name
