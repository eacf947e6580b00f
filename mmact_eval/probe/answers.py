"""Checks of the answers by themselves, which need no knowledge of the task."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmact_eval.probe.asking import Answers
from mmact_eval.probe.dimensions import GRIPPER, Dimension, dimensions
from mmact_eval.probe.finding import Finding
from mmact_eval.rollout.action_tally import far_beyond
from mmact_eval.specs import ActionSpec, PolicySpec

GROUP = "answers"

_EDGE = 0.98
_MANY, _MOST = 0.1, 0.5
_SATURATED_MORE = 0.4


def check_numbers(answers: Answers) -> Finding:
    """Every frame has an answer of finite numbers."""
    failed = [error for error in answers.errors if error]
    if failed:
        detail = f"{len(failed)} of {len(answers.errors)} queries have no usable answer; the first: {failed[0]}"
        return Finding(GROUP, "finite numbers", "fault", detail, "see what the policy or its server says")
    chunks = answers.usable()
    lengths = sorted({len(chunk) for chunk in chunks})
    shown = f"{lengths[0]}" if len(lengths) == 1 else f"{lengths[0]} to {lengths[-1]}"
    return Finding(GROUP, "finite numbers", "ok", f"{len(chunks)} answers, {shown} actions each")


def check_constant(answers: Answers, expert: NDArray[np.float64], telling: Sequence[Dimension]) -> Finding:
    """The answers differ between frames in which the expert does different things.

    Args:
        answers: to the frames as they are.
        expert: (N, D) amounts.
        telling: dimensions in which these differ.
    """
    name = "answers that differ"
    chunks = answers.usable()
    shortest = min(len(chunk) for chunk in chunks)
    stacked = np.stack([chunk[:shortest] for chunk in chunks])
    if np.ptp(stacked, axis=0).max() == 0:
        detail = f"the same answer to all {len(chunks)} observations"
        todo = "the policy does not see its input: look at what it gets and at its preprocessing"
        return Finding(GROUP, name, "fault", detail, todo)
    spread = stacked.mean(axis=1).std(axis=0)
    still = [d.name for d in telling if spread[d.column] < 0.02 * expert[:, d.column].std()]
    if still:
        detail = f"{', '.join(still)}: nearly the same number whatever is seen, where the expert varies"
        return Finding(GROUP, name, "suspicious", detail, "is the width, the order or the un-normalization right?")
    return Finding(GROUP, name, "ok", "answers depend on the observation in every number that the expert varies")


def check_range(answers: Answers, action: ActionSpec) -> Finding:
    """The numbers lie in the environment's range, which clips what does not."""
    numbers = np.concatenate(answers.usable()).astype(np.float64)
    motion = [d.column for d in dimensions(action) if d.kind != GRIPPER] or list(range(action.dim))
    share, largest = float(far_beyond(numbers, action)[:, motion].mean()), float(np.abs(numbers[:, motion]).max())
    seen = f"{100 * share:.0f} % of numbers far beyond {action.low:g} to {action.high:g}; the largest is {largest:.3g}"
    if share > _MANY:
        todo = "un-normalize the answers with the statistics of the right data set"
        return Finding(GROUP, "range", "suspicious", seen, todo, {"beyond": share})
    return Finding(GROUP, "range", "ok", seen, numbers={"beyond": share})


def check_saturation(answers: Answers, expert: Sequence[NDArray[np.float32]], action: ActionSpec) -> Finding:
    """Not everything is at the limits. The expert's own share is the yardstick."""
    motion = [d.column for d in dimensions(action) if d.kind != GRIPPER] or list(range(action.dim))

    def share(chunks: Sequence[NDArray[np.float32]]) -> float:
        numbers = np.concatenate(chunks)[:, motion].astype(np.float64)
        middle, half = (action.high + action.low) / 2, (action.high - action.low) / 2
        return float((np.abs(numbers - middle) >= _EDGE * half).mean())

    ours, theirs = share(answers.usable()), share(expert)
    detail = f"{100 * ours:.0f} % of the motion's numbers at or beyond the limits (expert: {100 * theirs:.0f} %)"
    figures = {"policy": ours, "expert": theirs}
    if ours > _MOST and ours > theirs + _SATURATED_MORE:
        todo = "are the actions un-normalized twice, or with another data set's statistics?"
        return Finding(GROUP, "saturation", "suspicious", detail, todo, figures)
    return Finding(GROUP, "saturation", "ok", detail, numbers=figures)


def check_repeat(first: Answers, second: Answers, other: Answers, spec: PolicySpec) -> Finding:
    """The same question gives the same answer, if the spec says so.

    Args:
        first, second: to the same questions.
        other: to the same observations with other random numbers.
        spec: what the policy promises.
    """
    name = "the same question twice"
    same = all(_equal(a, b) for a, b in zip(first.chunks, second.chunks, strict=True))
    drawn = all(_equal(a, b) for a, b in zip(first.chunks, other.chunks, strict=True))
    if same:
        also = "" if drawn else "; another answer with other random numbers"
        return Finding(GROUP, name, "ok", f"the same answer, bit for bit{also}")
    pairs = [(a, b) for a, b in zip(first.chunks, second.chunks, strict=True) if a is not None and b is not None]
    size = max((float(np.abs(a[: len(b)] - b[: len(a)]).max()) for a, b in pairs), default=float("nan"))
    detail = f"another answer; the largest difference is {size:.2g}"
    if spec.deterministic:
        todo = (
            "draw random numbers from `query.rng()` alone, and forget everything in `reset`; or say deterministic=False"
        )
        return Finding(GROUP, name, "suspicious", f"{detail}, although its spec says deterministic", todo)
    return Finding(GROUP, name, "note", f"{detail}, as its spec says: runs with it cannot be reproduced exactly")


def _equal(one: NDArray[np.float32] | None, two: NDArray[np.float32] | None) -> bool:
    return one is not None and two is not None and one.shape == two.shape and bool((one == two).all())
