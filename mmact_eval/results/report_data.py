"""What a report shows: arms side by side on suites. Report plug-ins are handed a `Report` and a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from mmact_eval.results.metrics.collecting import merged
from mmact_eval.results.metrics.metric import Metric
from mmact_eval.results.pairing import Pairing
from mmact_eval.results.repeats import Repeats
from mmact_eval.results.summary import Summary
from mmact_eval.runs.reading import Run

if TYPE_CHECKING:
    from mmact_eval.results.published.table import PublishedTable


@dataclass(frozen=True)
class ArmRun:
    """An arm on a suite: one run.

    Attributes:
        arm: its name, the same in all suites.
        run: what the folder holds.
        summary: the run, counted.
    """

    arm: str
    run: Run
    summary: Summary


@dataclass(frozen=True)
class SuiteReport:
    """All arms on one suite.

    Attributes:
        suite, title: of the suite.
        arms: in the report's order; at least one.
        pairings: each other arm against the first, p-values adjusted by Holm; empty with one arm.
        best: the arms that may be the best (see `mmact_eval.statistics.many.best_arms`); empty with one arm, or if some
            arms must not be compared.
        notes: what to know before comparing, a sentence each.
    """

    suite: str
    title: str
    arms: tuple[ArmRun, ...]
    pairings: tuple[Pairing, ...] = ()
    best: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def further(self) -> tuple[Metric, ...]:
        """The metrics of any arm that the usual tables do not have."""
        return tuple(metric for metric in merged(arm.summary.metrics for arm in self.arms) if not metric.standard)

    @property
    def tasks(self) -> list[str]:
        """All tasks, in the benchmark's order as the first arm has it."""
        return list(dict.fromkeys(row.task for arm in self.arms for row in arm.summary.rows))


@dataclass(frozen=True)
class Average:
    """An arm's mean over the suites, of the means over their tasks, with a stratified interval."""

    rate: float
    low: float
    high: float


@dataclass(frozen=True)
class Report:
    """Everything a report writer needs.

    Attributes:
        title: for people.
        arms: names in order; not every arm need have every suite.
        suites: one section each.
        averages: arm → mean over all suites, for arms that have all of them; empty with one suite.
        not_real: what is not the real thing, a sentence each.
        warnings: what to know before reading any number, a sentence each.
        published: published results to set beside, if asked for.
        repeats: what can be said over repeats of the same thing, where a study has them.
    """

    title: str
    arms: tuple[str, ...]
    suites: tuple[SuiteReport, ...]
    averages: Mapping[str, Average] = field(default_factory=dict)
    not_real: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    published: PublishedTable | None = None
    repeats: Repeats | None = None

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """All metrics of any run, each once: the standard ones first."""
        return merged(run.summary.metrics for run in self.runs)

    @property
    def runs(self) -> Sequence[ArmRun]:
        """All runs, suite by suite."""
        return [arm for suite in self.suites for arm in suite.arms]


@runtime_checkable
class LinksMedia(Protocol):
    """What a report writer may offer besides: a page that is put somewhere else than videos and pictures lie."""

    def linked_page(self, report: Report, link: Callable[[Path], str | None]) -> str:
        """The page as text; nothing is written, and nothing but text is in it.

        Args:
            report: what it shows.
            link: the address of a video's or picture's file, as the page is to name it; None leaves it out.
        """
        ...
