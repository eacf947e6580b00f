"""From comparisons to findings: what is wrong, what is right, and what cannot be told and why."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmact_eval.probe.agreement import Rows, agreement, correlations, jackknife
from mmact_eval.probe.alterations import Alteration
from mmact_eval.probe.dimensions import GRIPPER, JOINT, TRANSLATION, Dimension
from mmact_eval.probe.finding import Finding, Verdict
from mmact_eval.probe.readings import Reading
from mmact_eval.probe.search import ENOUGH, Comparison, Search
from mmact_eval.specs import ActionSpec
from mmact_eval.statistics.level import ALPHA

INPUTS, ACTIONS, TASK = "inputs", "actions", "task"

_DOUBT = 0.05
_NO_DIFFERENCE = 0.05
_FACTOR_FAULT, _FACTOR_DOUBT = 8.0, 4.0


def judge_task(search: Search) -> Finding:
    """Whether the policy agrees with the expert enough for conclusions."""
    name, now = "agrees with the expert", search.plain
    each = ", ".join(
        f"{d.name} {value:.2f}"
        for d, value in zip(
            search.judged, correlations(search.answers, search.expert)[[d.column for d in search.judged]], strict=True
        )
    )
    numbers = {"as set": now.value, "put right": search.agreement.value}
    if not search.knows:
        most = max(now.value, search.agreement.value)
        detail = f"correlation {most:.2f} (needed: {ENOUGH:g}, clearly above 0); {each}"
        why = (
            "nothing can be concluded about inputs and signs: the policy does not know this task (untrained, random "
            "weights, another robot), moves quite unlike the expert, or has a fault that is not among the hypotheses"
        )
        return Finding(TASK, name, "cannot tell", detail, why, numbers)
    if search.faults:
        mended = f"{search.agreement.value:.2f} with the faults below put right"
        detail = f"correlation {now.value:.2f} as it is set, {mended}; {each}"
        return Finding(TASK, name, "note", detail, numbers=numbers)
    return Finding(TASK, name, "ok", f"correlation {now.value:.2f}; {each}", numbers=numbers)


def judge_hypotheses(search: Search) -> list[Finding]:
    """A finding for each family of hypotheses, and for each fault."""
    families: dict[tuple[str, str], list[Comparison]] = {}
    for comparison in search.rest:
        hypothesis = comparison.hypothesis
        if hypothesis.remedy:
            families.setdefault((_group(hypothesis), hypothesis.family), []).append(comparison)
    if not search.knows:
        why = "agreement with the expert is too weak"
        return [Finding(group, family, "cannot tell", why) for group, family in families]
    found = []
    for number, fault in enumerate(search.faults):
        rivals = search.rivals[number]
        also = f"; fits about as well: {', '.join(rivals)}" if rivals else ""
        detail = f"with {fault.hypothesis.name}: {fault.other:.2f} instead of {fault.plain:.2f}{also}"
        numbers = {"plain": fault.plain, "other": fault.other, "error": fault.gain.error}
        hypothesis = fault.hypothesis
        found.append(Finding(_group(hypothesis), hypothesis.family, "fault", detail, hypothesis.remedy, numbers))
    wrong = {fault.hypothesis.family for fault in search.faults}
    for (group, family), comparisons in families.items():
        if family not in wrong:
            found.append(_judge_family(group, family, comparisons))
    return found


def _group(hypothesis: Alteration | Reading) -> str:
    return hypothesis.group if isinstance(hypothesis, Alteration) else ACTIONS


def _judge_family(group: str, family: str, comparisons: Sequence[Comparison]) -> Finding:
    failed = [c for c in comparisons if c.error]
    if failed:
        return Finding(
            group, family, "cannot tell", f"{failed[0].hypothesis.name}: the policy failed: {failed[0].error}"
        )
    best = max(comparisons, key=lambda c: c.gain.value)
    numbers = {f"{c.hypothesis.name}": c.other for c in comparisons}
    shown = f"{best.plain:.2f}; best alternative, {best.hypothesis.name}: {best.other:.2f}"
    if best.gain.value >= _DOUBT and best.gain.lower(ALPHA) > 0:
        todo = f"{best.hypothesis.remedy}? Not certain: ask with more --episodes"
        return Finding(group, family, "suspicious", shown, todo, numbers)
    open_ = [c for c in comparisons if c.gain.upper(ALPHA) >= 0]
    if not open_:
        return Finding(group, family, "ok", shown, numbers=numbers)
    names = ", ".join(c.hypothesis.name for c in open_)
    if all(c.change < _NO_DIFFERENCE for c in open_):
        return Finding(group, family, "note", f"makes no difference to the policy: {names}", numbers=numbers)
    return Finding(group, family, "cannot tell", f"agrees as well ({best.plain:.2f}): {names}", numbers=numbers)


def judge_inputs(search: Search, noise: float) -> list[Finding]:
    """What the policy looks at.

    Args:
        search: holds how the answers change when an input is taken away.
        noise: how much they change with other random numbers, in the same unit.
    """
    found = []
    for comparison in search.rest:
        hypothesis = comparison.hypothesis
        if not isinstance(hypothesis, Alteration) or not hypothesis.input:
            continue
        change = comparison.change
        numbers = {"change": change, "noise": noise}
        if comparison.error:
            found.append(Finding(INPUTS, hypothesis.input, "cannot tell", f"the policy failed: {comparison.error}"))
        elif change <= max(0.01, 1.2 * noise):
            detail = f"{hypothesis.name}: the same answers; the policy does not look at it"
            found.append(Finding(INPUTS, hypothesis.input, "note", detail, numbers=numbers))
        else:
            detail = f"{hypothesis.name}: answers change by {change:.2g} of their spread"
            if search.knows:
                detail += f", agreement {comparison.plain:.2f} → {comparison.other:.2f}"
            found.append(Finding(INPUTS, hypothesis.input, "ok", detail, numbers=numbers))
    return found


def judge_scale(search: Search, telling: Sequence[Dimension]) -> Finding:
    """Motions are about as large as the expert's: people, and what learns from them, are not ten times faster."""
    columns = [d.column for d in telling if d.kind in (TRANSLATION, JOINT)]
    name = "size of motions"
    if not search.knows or not columns:
        return Finding(ACTIONS, name, "cannot tell", "agreement with the expert is too weak")
    ratio = float(
        np.sqrt((search.answers[:, columns].var(axis=0).sum()) / (search.expert[:, columns].var(axis=0).sum()))
    )
    detail, numbers = f"{ratio:.2g} times the expert's", {"ratio": ratio}
    todo = "un-normalize the actions as in training (the right statistics? metres, or units of the controller?)"
    if not 1 / _FACTOR_FAULT <= ratio <= _FACTOR_FAULT:
        return Finding(ACTIONS, name, "fault", detail, todo, numbers)
    if not 1 / _FACTOR_DOUBT <= ratio <= _FACTOR_DOUBT:
        return Finding(ACTIONS, name, "suspicious", detail, todo, numbers)
    return Finding(ACTIONS, name, "ok", detail, numbers=numbers)


def judge_levels(search: Search, telling: Sequence[Dimension], action: ActionSpec) -> list[Finding]:
    """Grippers are on the side of the middle that the expert's is on: 0 for -1 keeps them shut for ever."""
    found = []
    doubt = any(comparison.likely for comparison in search.rest)
    for gripper in (d for d in telling if d.kind == GRIPPER):
        name = f"level of the {gripper.name}"
        answers, expert = search.answers[:, gripper.column], search.expert[:, gripper.column]
        low, high = float(expert.min()), float(expert.max())
        middle, reach = (low + high) / 2, 0.45 * (high - low)
        up, down = expert > middle + reach, expert < middle - reach
        if not search.knows or not up.any() or not down.any():
            found.append(Finding(ACTIONS, name, "cannot tell", "agreement with the expert is too weak"))
            continue
        right = {"high": float((answers[up] > middle).mean()), "low": float((answers[down] < middle).mean())}
        detail = f"right in {100 * right['high']:.0f} % of frames at {high:g}, {100 * right['low']:.0f} % at {low:g}"
        ends = float(np.median(answers[down])), float(np.median(answers[up]))
        at_middle = min(abs(end - middle) for end in ends) < 0.15 * (high - low) < 0.5 * (ends[1] - ends[0])
        one_sided = float(answers.min()) > middle - 0.02 * (high - low) or float(answers.max()) < middle + 0.02 * (
            high - low
        )
        if min(right.values()) < 0.25 and (at_middle or one_sided) and not doubt:
            detail += f"; the answers lie around {ends[0]:.2g} and {ends[1]:.2g}"
            todo = f"bring the gripper's values to the environment's, {action.gripper} (0…1 to -1…1: 2·g - 1)"
            found.append(Finding(ACTIONS, name, "fault", detail, todo, right))
        else:
            verdict: Verdict = "ok" if min(right.values()) >= 0.6 else "suspicious"
            found.append(Finding(ACTIONS, name, verdict, detail, numbers=right))
    return found


def judge_order(
    search: Search, drifts: Rows, expert: Rows, clusters: NDArray[np.intp], telling: Sequence[Dimension]
) -> Finding:
    """Chunks run forwards: what changes from their first half to their second changes as the expert's actions do.

    Args:
        search: what was found.
        drifts, expert: (N, D) changes within the answers, as they are, and within the expert's actions.
        clusters: (N,) the episode of each frame.
        telling: dimensions that count.
    """
    name, columns = "order within a chunk", [d.column for d in telling]
    if not search.knows:
        return Finding(ACTIONS, name, "cannot tell", "agreement with the expert is too weak")
    for fault in search.faults:
        if isinstance(fault.hypothesis, Alteration):
            return Finding(ACTIONS, name, "cannot tell", "put the other faults right first")
        drifts = fault.hypothesis.of(drifts)
    if not np.ptp(drifts[:, columns], axis=0).any():
        return Finding(ACTIONS, name, "note", "all actions of an answer are the same, or there is one only")
    found = jackknife(lambda which: agreement(drifts[which], expert[which], columns), clusters)
    detail, numbers = (
        f"changes within a chunk correlate with the expert's by {found.value:.2f}",
        {"correlation": found.value},
    )
    if found.value <= -0.2 and found.upper(ALPHA) < 0:
        return Finding(ACTIONS, name, "fault", detail, "the chunk is the wrong way round: reverse it in time", numbers)
    if found.lower(_DOUBT) > 0:
        return Finding(ACTIONS, name, "ok", detail, numbers=numbers)
    return Finding(ACTIONS, name, "cannot tell", detail, numbers=numbers)
