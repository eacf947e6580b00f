"""Other readings of a policy's numbers: which one agrees with the expert tells what is wrong with the plain one."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmact_eval.probe.dimensions import GRIPPER, JOINT, ROTATION, TRANSLATION, Dimension, dimensions
from mmact_eval.specs import ActionSpec


@dataclass(frozen=True)
class Reading:
    """Numbers of an action in another place or with another sign.

    Attributes:
        name: in words, ``gripper inverted``.
        order: (D,) column k of the reading is column order[k] of the answer …
        signs: (D,) … times this, 1 or -1; an inversion about the middle of the range.
        columns: those that are judged.
        family: what it tests, in words.
        remedy: what to do if it fits better.
    """

    name: str
    order: tuple[int, ...]
    signs: tuple[float, ...]
    columns: tuple[int, ...]
    family: str
    remedy: str

    def of(self, answers: NDArray[np.float64]) -> NDArray[np.float64]:
        """The (N, D) answers, read so."""
        read: NDArray[np.float64] = answers[:, list(self.order)] * np.array(self.signs)
        return read


def readings(action: ActionSpec, telling: Sequence[Dimension]) -> list[Reading]:
    """All that concern a dimension in which the expert does different things."""
    dim = action.dim
    plain = tuple(range(dim))
    by_kind = {kind: [d for d in telling if d.kind == kind] for kind in (TRANSLATION, ROTATION, GRIPPER, JOINT)}
    found: list[Reading] = []

    def negated(name: str, which: Sequence[Dimension], family: str, remedy: str) -> None:
        columns = tuple(d.column for d in which)
        signs = tuple(-1.0 if column in columns else 1.0 for column in plain)
        found.append(Reading(name, plain, signs, columns, family, remedy))

    def moved(name: str, order: Sequence[int], remedy: str) -> None:
        changed = tuple(d.column for d in telling if order[d.column] != d.column)
        if changed:
            found.append(Reading(name, tuple(order), (1.0,) * dim, changed, "order of the numbers", remedy))

    for gripper in by_kind[GRIPPER]:
        remedy = f"invert the gripper in the policy: `action[{gripper.column}]`; the environment takes {action.gripper}"
        negated(f"{gripper.name} inverted", [gripper], "direction of the gripper", remedy)
    for kind in (TRANSLATION, ROTATION):
        for one in by_kind[kind]:
            negated(
                f"{one.name} negated",
                [one],
                f"signs of the {kind}",
                f"multiply `action[{one.column}]` by -1 in the policy",
            )
        if len(by_kind[kind]) > 1:
            negated(
                f"{kind} negated", by_kind[kind], f"signs of the {kind}", f"multiply the {kind} by -1 in the policy"
            )
        for one, two in itertools.combinations(by_kind[kind], 2):
            if one.arm == two.arm:
                order = _exchanged(plain, [one.column], [two.column])
                remedy = f"exchange `action[{one.column}]` and `action[{two.column}]` in the policy"
                moved(f"{one.name} and {two.name} exchanged", order, remedy)
    for arm in {d.arm for d in telling}:
        moves = [d.column for d in dimensions(action) if d.kind == TRANSLATION and d.arm == arm]
        turns = [d.column for d in dimensions(action) if d.kind == ROTATION and d.arm == arm]
        if len(moves) == len(turns) == 3:
            remedy = "the policy's actions begin with the rotation: put the translation first"
            moved("rotation before translation", _exchanged(plain, moves, turns), remedy)
    if by_kind[GRIPPER] and action.gripper and len({d.arm for d in telling}) == 1:
        remedy = "the policy's actions begin with the gripper: put it last"
        moved("gripper first", [*range(1, dim), 0], remedy)
    if {d.arm for d in telling} == {0, 1} and dim % 2 == 0:
        order = [*range(dim // 2, dim), *range(dim // 2)]
        moved("left and right arm exchanged", order, "exchange the two arms' halves of the action in the policy")
    return found


def _exchanged(plain: Sequence[int], one: Sequence[int], two: Sequence[int]) -> list[int]:
    order = list(plain)
    for first, second in zip(one, two, strict=True):
        order[first], order[second] = second, first
    return order
