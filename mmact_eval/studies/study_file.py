"""Finding and reading studies: ``suites/studies/*.yaml`` of the package, or a path."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from itertools import product
from pathlib import Path
from typing import Any

from mmact_eval.config.suite_file import canonical, is_path
from mmact_eval.config.yaml_file import Document, Loc, read
from mmact_eval.errors import UsageError, did_you_mean
from mmact_eval.machine.user_folders import expanded
from mmact_eval.studies.study import Overrides, Study

_OF_SUITE = ("protocol", "env_args")
"""Fields of a study's parts that are fields of a suite."""


@dataclass(frozen=True)
class StudyArm:
    """An arm as the file has it; of a grid, the values it combines, axis by axis.

    Attributes:
        name, label: for folders and for reports.
        parts: what changes the base run, and where in the file each is; later ones win.
    """

    name: str
    label: str
    parts: tuple[tuple[Loc, Overrides], ...]


@dataclass(frozen=True)
class StudyFile:
    """A checked study, which still knows the line of each of its fields.

    Attributes:
        study: its content.
        document: where things are.
        arms: all arms in order.
        baseline: name of the arm the others are compared with.
    """

    study: Study
    document: Document
    arms: tuple[StudyArm, ...]
    baseline: str

    def of_suite(self, *holders: Loc) -> Document:
        """What these places of the file say of a suite, as parts of its file, later ones over earlier ones.

        Laid over a suite they are checked as a suite is, and errors name the line in the study's file.
        """
        merged = Document(self.document.name, {}, {(): self.document.origin[()]})
        for holder in holders:
            content: Any = self.document.data
            for part in holder:
                content = content.get(part) if isinstance(content, dict) else None
            said = {field: content[field] for field in _OF_SUITE if (content or {}).get(field)}
            if said:
                depth = len(holder)
                origin = {at[depth:]: place for at, place in self.document.origin.items() if at[:depth] == holder}
                merged = merged.extended_by(Document(merged.name, said, origin))
        return merged


def load_study(name_or_path: str) -> StudyFile:
    """A study by name, or from a YAML file.

    Raises:
        UsageError: no such study, or something in it is wrong; a line for each error, with file, line and field.
    """
    document = _find(name_or_path)
    study = document.checked(Study)
    arms = tuple(_arms(study))
    names = [arm.name for arm in arms]
    for what in ("name", "label"):
        values = [getattr(arm, what) for arm in arms]
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            raise UsageError(
                document.message(("axes",) if study.axes else ("arms",), f'two arms have the {what} "{twice[0]}"')
            )
    baseline = study.baseline or names[0]
    if baseline not in names:
        known = f"{did_you_mean(baseline, names)} Arms: {', '.join(names)}."
        raise UsageError(document.message(("baseline",), f'there is no arm "{baseline}".{known}'))
    return StudyFile(study, document, arms, baseline)


def list_studies() -> list[StudyFile]:
    """The studies of the package."""
    return [load_study(name) for name in _package()]


def _arms(study: Study) -> Iterator[StudyArm]:
    for name, overrides in study.arms.items():
        yield StudyArm(name, overrides.label or name, ((("arms", name), overrides),))
    if study.axes:
        axes = [[((("axes", axis, value)), overrides) for value, overrides in values.items()]
                for axis, values in study.axes.items()]  # fmt: skip
        for parts in product(*axes):
            names = [str(loc[-1]) for loc, _ in parts]
            labels = [overrides.label or str(loc[-1]) for loc, overrides in parts]
            yield StudyArm("-".join(names), ", ".join(labels), tuple(parts))


@functools.cache
def _package() -> dict[str, Document]:
    # Asked for by name, so that the engine depends on no plug-in folder.
    folder = Path(str(resources.files("mmact_eval.suites"))) / "studies"
    return {path.stem: read(path) for path in sorted(folder.glob("*.yaml"))}


def _find(name_or_path: str) -> Document:
    if is_path(name_or_path):
        return read(expanded(name_or_path), name_or_path)
    found = _package().get(canonical(name_or_path))
    if found is None:
        raise UsageError(
            f'There is no study "{name_or_path}".{did_you_mean(canonical(name_or_path), _package())}'
            " `mmact-eval list studies` shows them all; a file is named by its path, e.g. ./my-study.yaml"
        )
    return found
