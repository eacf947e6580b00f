"""From run folders to reports. They can be made again at any time: the folders are the product."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

from mmact_eval import registry
from mmact_eval.errors import RunFolderError, UsageError
from mmact_eval.results.arms.joined import joining_notes
from mmact_eval.results.arms.names import arm_names, refuse_repeated
from mmact_eval.results.arms.pooling import pooled
from mmact_eval.results.facts import OfPolicy
from mmact_eval.results.metrics.comparing import Differences, differences
from mmact_eval.results.metrics.older_runs import with_figures
from mmact_eval.results.pairing import Pairing, adjusted, pair
from mmact_eval.results.report_data import ArmRun, Average, Report, SuiteReport
from mmact_eval.results.summary import Summary, summarize
from mmact_eval.runs.reading import Run, read_run
from mmact_eval.statistics.level import CONFIDENCE
from mmact_eval.statistics.many import best_arms
from mmact_eval.statistics.stratified import mean_rate_interval
from mmact_eval.wording import counted


def summarize_folder(folder: Path) -> Summary:
    """The summary of a run folder.

    Raises:
        RunFolderError: it is no run folder, cannot be read or contradicts itself.
    """
    return summarize_run(read_run(folder))


def summarize_run(run: Run) -> Summary:
    """Count a run; one that was made before there were figures has those that its files tell."""
    return _summary(with_figures(run))


def _summary(run: Run) -> Summary:
    summary = summarize(run.results, run.manifest, run.sessions)
    return replace(summary, warnings=(*summary.warnings, *run.warnings))


def read_report(
    folders: Sequence[Path], names: Sequence[str] = (), allow: Sequence[str] = (), baseline: str | None = None
) -> Report:
    """The report of any number of runs.

    Args:
        folders: run folders.
        names: of the arms, "" for a name made from what was run; none at all for all of them. Runs of a suite with
            the same name count as one run.
        allow: protocol fields in which these, and compared arms, may differ (see `mmact_eval.results.comparable`).
        baseline: the arm that the others are compared with; None for the first.

    Raises:
        RunFolderError: a folder is no run folder, cannot be read or contradicts itself.
        UsageError: a folder is named twice, runs with the same name were made differently, or `baseline` is no name.
    """
    refuse_repeated(folders)
    given = names or [""] * len(folders)
    runs, given = pooled([with_figures(read_run(folder)) for folder in folders], given, allow)
    arms = arm_names(runs, given)
    if baseline is not None:
        if baseline not in arms:
            raise UsageError(f'there is no arm "{baseline}"; there are: {", ".join(dict.fromkeys(arms))}.')
        order = sorted(range(len(arms)), key=lambda i: arms[i] != baseline)
        runs, arms = [runs[i] for i in order], [arms[i] for i in order]
    by_suite: dict[str, list[ArmRun]] = {}
    for arm, run in zip(arms, runs, strict=True):
        by_suite.setdefault(run.suite, []).append(ArmRun(arm, run, _summary(run)))
    return make_report([_suite_report(found, allow) for found in by_suite.values()], list(dict.fromkeys(arms)))


def make_report(suites: Sequence[SuiteReport], arms: Sequence[str], title: str = "") -> Report:
    """Put suites together, and average over them."""
    runs = [arm for suite in suites for arm in suite.arms]
    shown = title or f"{', '.join(suite.title for suite in suites)}: {', '.join(arms)}"
    averages = {
        arm: average
        for arm in arms
        if len(suites) > 1 and (average := _average(arm, suites)) is not None
    }  # fmt: skip
    notes = [note for arm in arms for note in joining_notes(arm, [run.run for run in runs if run.arm == arm])]
    notes += notes_on_parts(runs)
    return Report(shown, tuple(arms), tuple(suites), averages, _not_real(runs), tuple(notes))


def notes_on_parts(runs: Sequence[ArmRun]) -> list[str]:
    """A sentence for each run that is one part of several."""
    return [
        f"{arm.arm} on {arm.run.suite} is {shard.in_words} of a run (--shard); mmact-eval merge puts parts together."
        for arm in runs
        if (shard := arm.run.manifest.shard) is not None
    ]


def _not_real(runs: Sequence[ArmRun]) -> tuple[str, ...]:
    """What is not the real thing in any of the runs; what is said of several policies is said once."""
    said: dict[str, dict[str, None]] = {}
    for arm in runs:
        for sentence in arm.summary.not_real:
            if isinstance(sentence, OfPolicy):
                said.setdefault(sentence.said, {})[sentence.policy] = None
            else:
                said.setdefault(sentence, {})
    return tuple(_of_each(list(policies), text) for text, policies in said.items())


def _of_each(policies: Sequence[str], said: str) -> str:
    """The same said of several policies, of one, or of something else."""
    if len(policies) > 1:
        return f"Each of the policies {', '.join(policies)}{said}"
    return OfPolicy.of(policies[0], said) if policies else said


def _suite_report(arms: Sequence[ArmRun], allow: Sequence[str]) -> SuiteReport:
    first = arms[0]
    title, suite = first.summary.title, first.run.suite
    if len(arms) == 1:
        return SuiteReport(suite, title, tuple(arms))
    pairs = {(a.arm, b.arm): pair(a.arm, a.run, b.arm, b.run, allow) for a, b in combinations(arms, 2)}
    blocked = [pairing for pairing in pairs.values() if pairing.blocked]
    notes = _blocked_notes(blocked)
    notes += [_missing(p) for p in pairs.values() if p.first == first.arm and (p.missing_first or p.missing_second)]
    best = () if blocked else best_arms({key: p.counts for key, p in pairs.items()}, [arm.arm for arm in arms])
    against_first = adjusted([
        pairing if pairing.blocked else replace(pairing, measures=other_differences(first, arm))
        for arm in arms[1:]
        for pairing in [pairs[first.arm, arm.arm]]
    ])  # fmt: skip
    return SuiteReport(suite, title, tuple(arms), against_first, tuple(best), tuple(notes))


def other_differences(first: ArmRun, second: ArmRun, confidence: float = CONFIDENCE) -> Differences:
    """The second arm against the first in the metrics beside the success rate that both have."""
    there = {metric.key for metric in second.summary.metrics}
    metrics = [metric for metric in first.summary.metrics if metric.key in there]
    return differences(metrics, first.run.results, second.run.results, confidence)


def _blocked_notes(blocked: Sequence[Pairing]) -> list[str]:
    """A sentence for each reason that keeps arms from being compared."""
    by_reason: dict[str, list[str]] = {}
    for pairing in blocked:
        by_reason.setdefault("; ".join(pairing.blocked), []).append(f"{pairing.second} with {pairing.first}")
    return [f"Not compared: {', '.join(names)} ({reason})." for reason, names in by_reason.items()]


def _missing(pairing: Pairing) -> str:
    parts = [
        f"{arm} has no result for {counted(count, 'episode')} of {other}"
        for arm, other, count in (
            (pairing.first, pairing.second, pairing.missing_first),
            (pairing.second, pairing.first, pairing.missing_second),
        )
        if count
    ]
    return f"{' and '.join(parts)}: only common episodes are compared."


def _average(arm: str, suites: Sequence[SuiteReport]) -> Average | None:
    """None if the arm lacks a suite, or has not completed an episode of every task: it would be another average."""
    found: list[Mapping[str, tuple[int, int]]] = []
    for suite in suites:
        run = next((run for run in suite.arms if run.arm == arm), None)
        if run is None or not run.summary.rows or not all(row.completed for row in run.summary.rows):
            return None
        found.append({row.task: (row.successes, row.completed) for row in run.summary.rows})
    counts = [count for tasks in found for count in tasks.values()]
    weights = [1.0 / len(tasks) for tasks in found for _ in tasks]
    return Average(*mean_rate_interval(counts, weights=weights))


def write_reports(report: Report, folder: Path, formats: Iterable[str]) -> list[Path]:
    """Write a report in each format (see `mmact-eval list reports`) and return the files.

    Raises:
        UsageError: unknown format.
        RunFolderError: the folder cannot be written.
    """
    writers = [registry.report(name) for name in formats]
    files: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for write in writers:
            files += write(report, folder)
    except OSError as error:
        raise RunFolderError(f"cannot write the report to {folder}: {error.strerror}.") from error
    return files
