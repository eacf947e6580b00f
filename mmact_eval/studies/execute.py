"""Runs a study's arms and says what became of each.

An arm is an ordinary run in a folder of its own, so it is continued, inspected and reported like any other. Arms that
share their policy are run together: over one pool of workers, by one policy in memory. An arm that fails (its policy
cannot be made, say) does not keep the others from running.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from mmact_eval.errors import MmactEvalError, UsageError
from mmact_eval.runs.reading import read_episodes
from mmact_eval.runs.runner import RunOutcome, RunRequest, execute_together, same_policy
from mmact_eval.statistics.level import ALPHA
from mmact_eval.studies.arms import Arm, Plan
from mmact_eval.studies.study_folder import StudyFolder
from mmact_eval.studies.until_decided import TURN, ArmWatch
from mmact_eval.wording import counted

Together = Literal["same-policy", "all", "none"]
"""Which arms share workers: those that one policy can serve, so that no two are in memory at once; all; or none."""


@dataclass(frozen=True)
class ArmOutcome:
    """What became of an arm.

    Attributes:
        arm: the arm.
        run: None if it failed.
        problem: why it failed, "" if it did not.
        stopped: why it was stopped early, a sentence; "" if it was not.
    """

    arm: Arm
    run: RunOutcome | None = None
    problem: str = ""
    stopped: str = ""


def run_study(
    plan: Plan,
    until_decided: bool = False,
    tell: Callable[[str], None] = lambda text: None,
    together: Together = "same-policy",
) -> list[ArmOutcome]:
    """Run the chosen arms.

    Args:
        plan: the study.
        until_decided: stop an arm when it is clear that it is better or worse than the baseline. The baseline is run
            before the others then.
        tell: called with a line before and after the arms that are run together.
        together: which these are.

    Returns:
        The outcome of each chosen arm, the baseline first.

    Raises:
        UsageError: `until_decided` without the baseline.
        RunFolderError: the folder holds another study, or cannot be written.
    """
    if until_decided and plan.file.baseline not in plan.chosen:
        raise UsageError(
            f"--until-decided compares with the baseline: add {plan.file.baseline} to --arms (what is done of it "
            "already is not run again)."
        )
    folder = StudyFolder(plan)
    baseline: RunOutcome | None = None
    outcomes: dict[str, ArmOutcome] = {}
    for arms in _groups(plan, until_decided, together):
        tell(_announced(plan, arms))
        watches: dict[str, ArmWatch] = {}
        if baseline is not None and until_decided:
            watches = {arm.name: ArmWatch(baseline.results, baseline.planned, len(plan.arms) - 1) for arm in arms}
        for outcome in _run(arms, watches):
            name = outcome.arm.name
            outcomes[name] = outcome
            if name == plan.file.baseline:
                baseline = outcome.run
            if outcome.run is not None:
                folder.note_stopped(name, outcome.stopped)
            tell(_told(outcome))
            if until_decided and name == plan.file.baseline and baseline is None:
                tell("Without the baseline nothing can be decided early: all arms run to the end.")
    return [outcomes[name] for name in plan.chosen]


def _groups(plan: Plan, until_decided: bool, together: Together) -> Iterator[list[Arm]]:
    """Which arms are run together, the baseline in the first group."""
    arms = {arm.name: arm for arm in plan.arms}
    chosen = [arms[name] for name in plan.chosen]
    if until_decided:
        yield [chosen.pop(0)]
    groups: dict[str, list[Arm]] = {}
    for arm in chosen:
        key = {"same-policy": same_policy(arm.request), "all": "", "none": arm.name}[together]
        groups.setdefault(key, []).append(arm)
    yield from groups.values()


def _announced(plan: Plan, arms: Sequence[Arm]) -> str:
    labels = [arm.label + ", the baseline" * (arm.name == plan.file.baseline) for arm in arms]
    numbers = [plan.chosen.index(arm.name) + 1 for arm in arms]
    if len(arms) == 1:
        return f"Arm {numbers[0]} of {len(plan.chosen)}: {labels[0]}"
    return f"Arms {', '.join(map(str, numbers))} of {len(plan.chosen)} together: {'; '.join(labels)}"


def _run(arms: Sequence[Arm], watches: Mapping[str, ArmWatch]) -> Iterator[ArmOutcome]:
    """Run arms together."""
    requests = {
        arm.label: _watched(arm.request, watches[arm.name]) if arm.name in watches else arm.request for arm in arms
    }
    outcomes = execute_together(requests)
    for arm in arms:
        outcome = outcomes[arm.label]
        if isinstance(outcome, MmactEvalError):
            yield ArmOutcome(arm, problem=str(outcome))
        else:
            yield ArmOutcome(arm, outcome, stopped=_why_stopped(outcome, watches.get(arm.name)))


def _why_stopped(run: RunOutcome, watch: ArmWatch | None) -> str:
    left = len(run.planned) - len(run.results)
    if watch is None or watch.verdict == "undecided" or not left:
        return ""
    pairs = counted(watch.pairs, "pair")
    return (
        f"{watch.verdict} than the baseline after {pairs}, by a test that may be looked at after each "
        "episode (the probability that any arm is stopped for a difference that is not there is at most "
        f"{100 * ALPHA:g} %); {counted(left, 'episode was', 'episodes were')} not run"
    )


def _watched(request: RunRequest, watch: ArmWatch) -> RunRequest:
    """The request with a look at every result, those of an earlier start included; if they decide, nothing is run."""
    assert request.out is not None
    for result in read_episodes(request.out)[0].values():
        if result.outcome != "error":  # it will be tried again
            watch.tell(result)
    return replace(
        request,
        options=replace(request.options, turn=TURN),
        extension=replace(request.extension, enough=watch.tell),
        limit=0 if watch.verdict != "undecided" else None,
    )


def _told(outcome: ArmOutcome) -> str:
    """An arm's outcome in a line."""
    label, run = outcome.arm.label, outcome.run
    if run is None:
        return f"{label}: failed. {outcome.problem}"
    completed = [result for result in run.results if result.outcome != "error"]
    solved = sum(result.outcome == "success" for result in completed)
    errors = len(run.results) - len(completed)
    text = f"{label}: {solved} of {len(completed)} solved" + (f", {counted(errors, 'error')}" if errors else "")
    return text + (f"; stopped early: {outcome.stopped}" if outcome.stopped else "")
