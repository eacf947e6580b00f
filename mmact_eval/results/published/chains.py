"""Published results of chains (CALVIN): 1 to 5 in a row and average length, a row for each model as measured once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from mmact_eval.results.metrics.stages import AVERAGE_LENGTH, in_a_row
from mmact_eval.results.published.rows import PublishedResult, matches
from mmact_eval.results.published.table import PublishedChains, PublishedRow
from mmact_eval.statistics.lengths import average_length

if TYPE_CHECKING:
    from mmact_eval.results.report_data import ArmRun, SuiteReport

STAGES = 5
"""Of a published chain."""

METRICS = (*(in_a_row(k) for k in range(1, STAGES + 1)), AVERAGE_LENGTH)
"""Columns of a table, as papers order them."""

_AS_HERE = ("calvin_env 797142c", "spread over training seeds", "released checkpoint", "official 1000 sequences")
"""How notes on a protocol begin that tell of no difference to a run."""

_IN_WORDS = {
    "calvin_env 1431a46": "calvin_env 1431a46 there, in which a burning LED needs two presses of the button to go out",
}


@dataclass(frozen=True)
class Length:
    """An average length that was published.

    Attributes:
        value: as printed; else the sum of the five shares; NaN if neither is known.
        low, high: interval from the five shares, which tell how many chains had each length; NaN without them.
    """

    value: float
    low: float = math.nan
    high: float = math.nan


def chains_of(results: Iterable[PublishedResult]) -> dict[str, list[dict[str, PublishedResult]]]:
    """Suite → the rows of its table, as metric → result, the longest average first; other benchmarks are left out."""
    rows: dict[tuple[str, ...], dict[str, PublishedResult]] = {}
    for result in results:
        if not result.task and result.metric in METRICS:
            rows.setdefault((result.suite, *result.row), {})[result.metric] = result
    found: dict[str, list[dict[str, PublishedResult]]] = {}
    for (suite, *_), row in sorted(rows.items(), key=lambda entry: (_longest(entry[1]), entry[0])):
        found.setdefault(suite, []).append(row)
    return found


def published_length(row: Mapping[str, PublishedResult]) -> Length:
    """The average length of a row of a table."""
    counts = published_counts(row)
    shares = [row[key].value / 100.0 for key in METRICS[:-1] if key in row]
    known = math.fsum(shares) if len(shares) == STAGES else math.nan
    value = row[AVERAGE_LENGTH].value if AVERAGE_LENGTH in row else known
    return Length(value, *average_length(counts)[1:]) if counts else Length(value)


def published_counts(row: Mapping[str, PublishedResult]) -> list[int] | None:
    """How many chains had the length 0 to 5; None unless all five shares and the number of chains are known."""
    if any(key not in row for key in METRICS[:-1]):
        return None
    chains = row[METRICS[0]].episodes
    if not chains:
        return None
    reached = [chains, *(round(row[key].value / 100.0 * chains) for key in METRICS[:-1]), 0]
    counts = [now - then for now, then in pairwise(reached)]
    return counts if min(counts) >= 0 else None


def chains_beside(
    suites: Sequence[SuiteReport], results: Sequence[PublishedResult], model: str | None
) -> tuple[PublishedChains, ...]:
    """The tables for those suites of a report that are of chains, with what differs in the protocol.

    Args:
        suites: of the report.
        results: everything that is published.
        model: only models that match.
    """
    published = chains_of(results)
    found = []
    for suite in suites:
        rows = [
            row for row in published.get(suite.suite, ())
            if model is None or matches(next(iter(row.values())).model, model)
        ]  # fmt: skip
        if rows:
            found.append(PublishedChains(suite.suite, tuple(_beside(row, suite) for row in rows)))
    return tuple(found)


def _longest(row: Mapping[str, PublishedResult]) -> tuple[float, float]:
    """A key: long first; without a length by one in a row, at the end."""
    length = published_length(row).value
    if math.isnan(length):
        return 1.0, -max(result.value for result in row.values())
    return 0.0, -length


def _beside(row: Mapping[str, PublishedResult], suite: SuiteReport) -> PublishedRow:
    first = next(iter(row.values()))
    differences: dict[str, None] = {}
    for arm in suite.arms:
        of = f" ({arm.arm})" if len({repr(_ours(a)) for a in suite.arms}) > 1 else ""
        differences |= dict.fromkeys(f"{text}{of}" for text in _differences(first, _ours(arm)))
    differences |= dict.fromkeys(_said(first.protocol))
    unknown = [("number of chains", first.episodes), ("steps per sub-task", first.max_steps)]
    not_stated = tuple(what for what, theirs in unknown if theirs is None)
    return PublishedRow(*first.row, row, tuple(differences), not_stated)


def _said(protocol: str) -> Iterator[str]:
    """What a source says of its protocol, as far as it is not as here."""
    for note in filter(None, protocol.split("; ")):
        if not note.startswith(_AS_HERE):
            yield _IN_WORDS.get(note, f"theirs: {note}")


@dataclass(frozen=True)
class _Ours:
    """What of a run published chains differ in. `remarks` are what is not the benchmark's own here, in words."""

    chains: int
    stages: int
    stage_steps: int | None
    max_steps: int | None
    replan: int | None
    remarks: tuple[str, ...]


def _ours(arm: ArmRun) -> _Ours:
    manifest = arm.run.manifest
    made_with, env = manifest.made_with, manifest.env
    pictures = env.pictures_differ if made_with.policy_cameras else ""
    return _Ours(
        arm.summary.total.episodes,
        made_with.stages,
        made_with.stage_steps or made_with.max_steps,
        made_with.max_steps,
        made_with.replan,
        tuple(filter(None, (env.not_real, pictures))),
    )


def _differences(theirs: PublishedResult, ours: _Ours) -> Iterator[str]:
    for remark in ours.remarks:
        yield f"here: {remark.rstrip('.')}"
    if ours.max_steps is not None and ours.stage_steps and ours.max_steps < ours.stages * ours.stage_steps:
        yield f"no limit of a chain's steps there, {ours.max_steps} here"
    for what, there, here in (
        ("sub-tasks a chain", STAGES, ours.stages),
        ("chains", theirs.episodes, ours.chains),
        ("steps at most a sub-task", theirs.max_steps, ours.stage_steps),
        ("actions a query", theirs.replan, ours.replan),
    ):
        if there is not None and here is not None and there != here:
            yield f"{there} {what} there, {here} here"
