"""Published results beside a report: a row for each model as measured in one way, with what differs in the protocol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmact_eval.errors import UsageError, did_you_mean
from mmact_eval.results.published import physics as published_physics
from mmact_eval.results.published.chains import chains_beside
from mmact_eval.results.published.rows import PublishedResult, load, matches, select
from mmact_eval.results.published.table import PublishedRow, PublishedTable
from mmact_eval.specs import Physics

if TYPE_CHECKING:
    from mmact_eval.results.report_data import ArmRun, SuiteReport


def table_beside(suites: Sequence[SuiteReport], model: str | None = None) -> PublishedTable:
    """Published results for the suites of a report, with what differs in the protocol.

    Args:
        suites: of the report.
        model: only models that match.

    Raises:
        UsageError: nothing is published for any of them.
    """
    known = [result for result in load() if not result.task]
    chains = chains_beside(suites, known, model)
    everything = [result for result in known if result.metric == "success_rate"]
    names = [suite.suite for suite in suites if any(result.suite == suite.suite for result in everything)]
    if not names and not chains:
        select(known, suites[0].suite, model)
    chosen = [result for name in names for result in select(everything, name)]
    rows: dict[tuple[str, str, str, str], dict[str, PublishedResult]] = {}
    for result in chosen:
        if model is None or matches(result.model, model):
            rows.setdefault(result.row, {})[result.suite] = result
    if not rows and not chains:
        raise UsageError(f'no published model matches "{model}".{did_you_mean(model or "", [r.model for r in chosen])}')
    complete = sorted(rows.items(), key=lambda row: (-len(row[1]), -sum(r.value for r in row[1].values()), row[0]))
    shown = tuple(_row(key, found, suites) for key, found in complete)
    ours = [physics for suite in suites for arm in suite.arms if (physics := _ours(arm).physics)]
    note = published_physics.note(shown, ours) if shown else ""
    return PublishedTable(tuple(names) if rows else (), shown, note, chains)


def _row(
    key: tuple[str, str, str, str], results: Mapping[str, PublishedResult], suites: Sequence[SuiteReport]
) -> PublishedRow:
    differences: dict[str, None] = {}
    not_stated: dict[str, None] = {}
    for suite in suites:
        result = results.get(suite.suite)
        if result is None:
            continue
        for what, theirs in (("episodes a task", result.trials), ("max steps", result.max_steps)):
            if theirs is None:
                not_stated[what] = None
        for arm in suite.arms:
            of = f" ({arm.arm})" if len({repr(_ours(a)) for a in suite.arms}) > 1 else ""
            where = f" on {suite.title}" if len(suites) > 1 else ""
            for text in _differences(result, _ours(arm)):
                differences[f"{text}{where}{of}"] = None
    if key[2]:
        differences[f"theirs: {key[2]}"] = None
    return PublishedRow(*key, results, tuple(differences), tuple(not_stated))


@dataclass(frozen=True)
class _Ours:
    trials: tuple[int, int]
    tasks: int
    max_steps: int | None
    replan: int | None
    physics: Physics | None


def _ours(arm: ArmRun) -> _Ours:
    episodes = [row.episodes for row in arm.summary.rows] or [0]
    made_with = arm.run.manifest.made_with
    return _Ours(
        trials=(min(episodes), max(episodes)),
        tasks=len(arm.summary.rows),
        max_steps=made_with.max_steps,
        replan=made_with.replan,
        physics=published_physics.physics_of(made_with),
    )


def _differences(theirs: PublishedResult, ours: _Ours) -> Iterable[str]:
    low, high = ours.trials
    if theirs.trials is not None and (low, high) != (theirs.trials, theirs.trials):
        yield f"{theirs.trials} episodes a task there, {low if low == high else f'{low} to {high}'} here"
    for what, there, here in (
        ("tasks", theirs.tasks, ours.tasks),
        ("steps at most", theirs.max_steps, ours.max_steps),
        ("actions a query", theirs.replan, ours.replan),
    ):
        if there is not None and here is not None and there != here:
            yield f"{there} {what} there, {here} here"
    physics = published_physics.difference(published_physics.published_physics(theirs.physics), ours.physics)
    if physics:
        yield physics
