"""In which physics published results were made, beside that of a run: numbers of two families are not comparable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mmact_eval.machine.mujoco_family import mujoco_family
from mmact_eval.runs.made_with import MadeWith
from mmact_eval.specs import Physics

if TYPE_CHECKING:
    from mmact_eval.results.published.table import PublishedRow

_MUJOCO = "MuJoCo "

NOT_STATED = "not stated"


def published_physics(engine: str) -> Physics | None:
    """``MuJoCo 3.2.3`` with its family; None for an engine that has no families here, or that is not stated."""
    return Physics(engine, mujoco_family(engine.removeprefix(_MUJOCO))) if engine.startswith(_MUJOCO) else None


def physics_of(made_with: MadeWith) -> Physics | None:
    """The physics that a run was made in, None if its fingerprint does not tell.

    Manifests from before there were families name the version of MuJoCo, which tells the family.
    """
    version = made_with.versions.get("mujoco")
    return made_with.physics or (published_physics(f"{_MUJOCO}{version}") if version else None)


def difference(theirs: Physics | None, ours: Physics | None) -> str:
    """A phrase if the two are of different families, "" if not or not known."""
    if theirs is None or ours is None or theirs.family == ours.family:
        return ""
    return f"{theirs.engine} there, {ours.engine} here: scenes settle otherwise"


def note(rows: Sequence[PublishedRow], ours: Sequence[Physics]) -> str:
    """A sentence if runs were made in another family than the published rows beside them, else ""."""
    of_rows = [published_physics(row.physics) for row in rows]
    other = [
        one for one in dict.fromkeys(ours)
        if one.family != "published" or any(difference(theirs, one) for theirs in of_rows)
    ]  # fmt: skip
    if not other:
        return ""
    here = ", ".join(f"{one.engine} ({one.family} family)" for one in other)
    differ = sum(any(difference(theirs, one) for one in other) for theirs in of_rows)
    return (
        f"Physics here: {here}. {differ} of the {len(rows)} published rows were made in another family, in which "
        f"stored scenes settle otherwise; {of_rows.count(None)} do not state theirs. Rates of two families are not "
        "comparable."
    )
