"""The report of a study: all arms that have something to show, the baseline marked, and what to know before reading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from mmact_eval.errors import RunAborted
from mmact_eval.results import reporting
from mmact_eval.results.metrics.metric import Measured
from mmact_eval.results.report_data import Report
from mmact_eval.studies.arms import Plan
from mmact_eval.studies.execute import ArmOutcome
from mmact_eval.studies.repeated import repeats_of
from mmact_eval.studies.study_folder import StudyFolder
from mmact_eval.suite import Suite
from mmact_eval.transforms import disturbance


def study_report(plan: Plan, outcomes: Sequence[ArmOutcome], against: str | None = None) -> Report:
    """The report of a study's folder.

    Args:
        plan: the study.
        outcomes: of the arms run now; arms of an earlier start are in the report too.
        against: published results to set beside it: those of models whose name contains this, "" for all.

    Raises:
        RunAborted: no arm has a completed episode; says why each failed.
        RunFolderError: a folder contradicts itself.
    """
    folder = StudyFolder(plan)
    arms = folder.reported_arms()
    if not arms:
        reasons = "\n".join(
            f"  - {outcome.arm.label}: {outcome.problem or _first_error(outcome)}" for outcome in outcomes
        )
        raise RunAborted(f"no arm of the study completed an episode:\n{reasons}")
    baseline = plan.file.baseline
    names = [f"{arm.label} (baseline)" if arm.name == baseline else arm.label for arm in arms]
    report = reporting.read_report([plan.folder / arm.name for arm in arms], names, plan.allow)
    if against is not None:
        from mmact_eval.results.published.beside import table_beside

        report = replace(report, published=table_beside(report.suites, against or None))
    study = plan.file.study
    asked = study.title or study.name
    title = f"{asked}{'' if asked.endswith('?') else ':'} {', '.join(suite.title for suite in report.suites)}"
    warnings = (*report.warnings, *_warnings(plan, outcomes, [arm.name for arm in arms], folder.stopped))
    warnings += tuple(_disturbed(report, [arm.request.suite for arm in arms]))
    rates = {arm.name: run.summary.total.rate for arm, run in zip(arms, report.runs, strict=True)}
    return replace(report, title=title, warnings=warnings, repeats=repeats_of(plan.file, rates))


def _first_error(outcome: ArmOutcome) -> str:
    errors = [result.error for result in outcome.run.results if result.error] if outcome.run else []
    return errors[0] if errors else "nothing was run"


def _warnings(
    plan: Plan, outcomes: Sequence[ArmOutcome], shown: Sequence[str], stopped: Mapping[str, str]
) -> Iterator[str]:
    labels = {arm.name: arm.label for arm in plan.arms}
    baseline = plan.file.baseline
    if baseline not in shown:
        yield f"The baseline, {labels[baseline]}, has no results; arms are compared with {labels[shown[0]]} instead."
    for outcome in outcomes:
        if outcome.problem:
            state = "is incomplete" if outcome.arm.name in shown else "is not shown"
            yield f"Arm {outcome.arm.label} failed and {state}: {' '.join(outcome.problem.split())}"
    missing = [labels[arm.name] for arm in plan.arms if arm.name not in shown and not _failed(arm.name, outcomes)]
    if missing:
        yield f"Arms of the study that were not run: {'; '.join(missing)}."
    for name, why in stopped.items():
        if name in shown:
            yield (
                f"Arm {labels[name]} was stopped early: {why}. Its rate, interval and p-value do not account for "
                "stopping and tend to exaggerate the difference."
            )


def _failed(name: str, outcomes: Sequence[ArmOutcome]) -> bool:
    return any(outcome.arm.name == name and outcome.problem for outcome in outcomes)


def _disturbed(report: Report, suites: Sequence[Suite]) -> Iterator[str]:
    """In how many episodes the disturbance took place: some end before it, in some nothing can be displaced."""
    counts = []
    for arm, suite in zip(report.runs, suites, strict=True):
        if suite.protocol.disturbance is not None:
            found = arm.summary.total.measures.get(disturbance.DISPLACED, Measured())
            happened = round(found.value * found.n) if found.n else 0
            counts.append(f"{arm.arm} {happened} of {found.n}")
    if counts:
        yield f"Episodes in which something was displaced: {'; '.join(counts)}."
