"""Published results: what others report, with its source, to be set beside a run without mixing what must not be mixed.

The table is ``published.csv`` here. A result belongs to a model *as measured by somebody in some way*: rows of a table
are (model, kind, protocol, source), so that numbers from two papers or protocols never stand in one row.
"""

from __future__ import annotations

import csv
import fnmatch
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources

from mmact_eval.errors import UsageError, did_you_mean
from mmact_eval.statistics.rates import clopper_pearson

KINDS = {"primary": "by its authors", "third-party": "in others' table", "reproduction": "independent reproduction"}


@dataclass(frozen=True)
class PublishedResult:
    """One published number.

    Attributes:
        benchmark, suite, task: what was evaluated; the task is "" for a whole suite.
        metric: ``success_rate``, or of CALVIN ``1_in_a_row`` to ``5_in_a_row`` and ``average_length``.
        model: as its source calls it.
        value: in `unit`.
        unit: ``percent`` or ``tasks_of_5``.
        episodes: all episodes behind it, None if not stated.
        tasks: tasks of the suite; None where that means nothing.
        trials: episodes per task and seed, None if not stated.
        max_steps: the step limit, None if not stated.
        replan: actions executed a query, None if not stated.
        kind: ``primary`` (its authors), ``third-party`` (in others' table), ``reproduction`` (measured again).
        protocol: what else is known about how it was measured.
        source: where it stands.
        physics: the engine that it was measured in, e.g. ``MuJoCo 3.2.3``; "" if not stated.
        physics_source: where that stands.
    """

    benchmark: str
    suite: str
    task: str
    metric: str
    model: str
    value: float
    unit: str
    episodes: int | None
    tasks: int | None
    trials: int | None
    max_steps: int | None
    replan: int | None
    kind: str
    protocol: str
    source: str
    physics: str = ""
    physics_source: str = ""

    @property
    def row(self) -> tuple[str, str, str, str]:
        """What may stand in one row of a table."""
        return (self.model, self.kind, self.protocol, self.source)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Exact interval of a success rate, as rates 0 to 1; None if the number of episodes is not stated."""
        if self.unit != "percent" or not self.episodes:
            return None
        return clopper_pearson(round(self.value / 100.0 * self.episodes), self.episodes)


def load(text: str | None = None) -> list[PublishedResult]:
    """All published results.

    Args:
        text: CSV to read instead of the package's table.

    Raises:
        ValueError: a number is no number, or a result is there twice.
    """
    if text is None:
        text = (resources.files("mmact_eval.results.published") / "published.csv").read_text(encoding="utf-8")
    results = [_result(line) for line in csv.DictReader(text.splitlines())]
    seen: set[tuple[object, ...]] = set()
    for result in results:
        key = (result.suite, result.task, result.metric, *result.row)
        if key in seen:
            raise ValueError(f"published twice: {key}")
        seen.add(key)
    return results


def _result(line: Mapping[str, str]) -> PublishedResult:
    def count(name: str) -> int | None:
        return int(line[name]) if line[name] else None

    texts = {
        name: line[name]
        for name in ("benchmark", "suite", "task", "metric", "model", "unit", "kind", "protocol", "source", "physics",
                     "physics_source")
    }  # fmt: skip
    if texts["kind"] not in KINDS or not texts["source"]:
        raise ValueError(f"a published result needs a source and one of the kinds {', '.join(KINDS)}: {dict(line)}")
    if bool(texts["physics"]) != bool(texts["physics_source"]):
        raise ValueError(f"physics and where they are stated go together: {dict(line)}")
    return PublishedResult(
        **texts, value=float(line["value"]), episodes=count("episodes"), tasks=count("tasks"), trials=count("trials"),
        max_steps=count("max_steps"), replan=count("replan"),
    )  # fmt: skip


def select(
    results: Iterable[PublishedResult], suite: str | None = None, model: str | None = None
) -> list[PublishedResult]:
    """Those of a suite and of models whose name contains a text (or matches a pattern), case ignored.

    Raises:
        UsageError: there are none.
    """
    results = list(results)
    found = [result for result in results if suite is None or result.suite == suite]
    if not found:
        suites = dict.fromkeys(result.suite for result in results)
        raise UsageError(
            f'nothing is published for suite "{suite}".{did_you_mean(suite or "", suites)} '
            f"There is: {', '.join(suites)}."
        )
    if model is None:
        return found
    chosen = [result for result in found if matches(result.model, model)]
    if not chosen:
        models = dict.fromkeys(result.model for result in found)
        raise UsageError(f'no published model matches "{model}".{did_you_mean(model, models)}')
    return chosen


def matches(model: str, wanted: str) -> bool:
    """Whether a model's name contains a text or matches a pattern, case ignored."""
    name, pattern = model.lower(), wanted.lower()
    return pattern in name or fnmatch.fnmatchcase(name, pattern)
