"""A grid in which one axis repeats the others: its arms as methods and their repeats."""

from __future__ import annotations

import math
from collections.abc import Mapping

from mmact_eval.results.repeats import Repeats, over_repeats
from mmact_eval.studies.study_file import StudyArm, StudyFile


def repeats_of(file: StudyFile, rates: Mapping[str, float]) -> Repeats | None:
    """What can be said over the repeats of a study; None if it has none.

    Args:
        file: the study.
        rates: success rate of each arm that has results. The baseline's method comes first.
    """
    axis = file.study.repeats
    if axis is None:
        return None
    place = list(file.study.axes).index(axis)
    labels = [overrides.label or name for name, overrides in file.study.axes[axis].items()]
    found: dict[str, list[float]] = {}
    for arm in sorted(file.arms, key=lambda arm: _method(arm, place) != _method(_baseline(file), place)):
        found.setdefault(_method(arm, place), []).append(rates.get(arm.name, math.nan))
    shown = {name: values for name, values in found.items() if not all(math.isnan(value) for value in values)}
    return over_repeats(axis, labels, shown)


def _baseline(file: StudyFile) -> StudyArm:
    return next(arm for arm in file.arms if arm.name == file.baseline)


def _method(arm: StudyArm, place: int) -> str:
    """The label of an arm without the repeat."""
    others = [part for number, part in enumerate(arm.parts) if number != place]
    return ", ".join(overrides.label or str(loc[-1]) for loc, overrides in others)
