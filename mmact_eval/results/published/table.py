"""The table of published results that stands beside a report, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mmact_eval.results.published.rows import PublishedResult


@dataclass(frozen=True)
class PublishedRow:
    """A model as measured in one way: suite → result, and how that way differs from the runs it stands beside.

    Attributes:
        model, kind, protocol, source: as in `PublishedResult`.
        results: suite → the whole suite's result; of chains metric → result.
        differences: what of the protocol differs, a phrase each.
        not_stated: what of the protocol its source does not tell.
    """

    model: str
    kind: str
    protocol: str
    source: str
    results: Mapping[str, PublishedResult]
    differences: tuple[str, ...] = ()
    not_stated: tuple[str, ...] = ()

    @property
    def physics(self) -> str:
        """The engine that the results were measured in, "" if not stated."""
        return ", ".join(dict.fromkeys(result.physics for result in self.results.values() if result.physics))

    @property
    def physics_source(self) -> str:
        """Where that stands, "" likewise."""
        return ", ".join(dict.fromkeys(r.physics_source for r in self.results.values() if r.physics_source))

    @property
    def compatibility(self) -> str:
        """``compatible``, or what speaks against a direct comparison."""
        parts = list(self.differences)
        if self.not_stated:
            parts.append(f"not stated: {', '.join(self.not_stated)}")
        return "; ".join(parts) or "compatible"


@dataclass(frozen=True)
class PublishedChains:
    """What is published for a suite of chains (CALVIN) beside a report: the longest average first.

    Attributes:
        suite: one of the report's.
        rows: at least one; their `results` are by metric (see `mmact_eval.results.published.chains`).
    """

    suite: str
    rows: tuple[PublishedRow, ...]


@dataclass(frozen=True)
class PublishedTable:
    """Published results beside a report: rows by success rate, best first; suites of chains have tables of their own.

    Attributes:
        suites: those of the report for which success rates are published.
        rows: at least one if there are such suites.
        note: a sentence if the runs' physics is of another family than the rows', else "".
        chains: for each suite of chains what is published for it.
    """

    suites: tuple[str, ...]
    rows: tuple[PublishedRow, ...] = field(default=())
    note: str = ""
    chains: tuple[PublishedChains, ...] = ()
