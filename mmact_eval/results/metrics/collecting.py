"""Which metrics some results have, and what they come to."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mmact_eval import registry
from mmact_eval.results.metrics.built_in import FURTHER, STANDARD, figure
from mmact_eval.results.metrics.kinds import Mean
from mmact_eval.results.metrics.metric import Measured, Metric, Value
from mmact_eval.types import LARGEST_FIGURE, EpisodeResult

log = logging.getLogger(__name__)

Measures = dict[str, Measured]
"""By the metric's key."""


def metrics_of(results: Sequence[EpisodeResult], more: Iterable[Metric] = ()) -> tuple[Metric, ...]:
    """The metrics for these results: the standard ones, those that say that they are headlines, others, figures.

    Args:
        results: of a run.
        more: what is particular to the run.
    """
    named = {name for result in results for name in result.figures}
    known = {metric.key: metric for metric in (*FURTHER, *registered(results), *more)}
    there = [metric for metric in known.values() if not metric.figures or metric.figures[0] in named]
    spoken_of = {name for metric in known.values() for name in (metric.key, *metric.figures)}
    own = [of_figure(name) for name in sorted(named - spoken_of)]
    return (*STANDARD, *sorted(_told_apart([*there, *own]), key=lambda metric: not metric.headline))


def registered(results: Sequence[EpisodeResult]) -> list[Metric]:
    """The metrics that other packages bring. What cannot measure these results is left out, which is said."""
    fit = []
    for one in registry.metrics():
        for thing in one if isinstance(one, Sequence) else [one]:
            try:
                fit.append(_tried(thing, results))
            except Exception as error:
                name = thing.key if isinstance(thing, Metric) else type(thing).__name__
                log.warning('left out: metric "%s": %s: %s', name, type(error).__name__, error)
    return fit


def _tried(thing: object, results: Sequence[EpisodeResult]) -> Metric:
    """A metric that has measured these results, its numbers Python's own.

    Raises:
        Exception: it is none, or it cannot.
    """
    if not isinstance(thing, Metric):
        raise TypeError("it is no Metric")
    if not thing.key or thing.key in TAKEN:
        raise ValueError("tables have a column of that name")
    metric = replace(thing, value=functools.partial(_plain_value, thing.value))
    values = [value for result in results if (value := metric.value(result)) is not None]
    metric.kind.measure(values)
    return metric


def _plain_value(value_of: Callable[[EpisodeResult], Any], result: EpisodeResult) -> Value | None:
    value = value_of(result)
    if value is None:
        return None
    return tuple(map(_number, value)) if isinstance(value, tuple) else _number(value)


def _number(value: Any) -> float:
    plain = value.item() if hasattr(value, "item") else value
    if not isinstance(plain, int | float) or not abs(plain) <= LARGEST_FIGURE:
        raise ValueError(f"{value!r} is no finite number")
    return plain


_STEMS = ("rate", "rate_all", "rate_task_mean", "steps_mean", "steps_success_mean", "seconds_mean")
TAKEN = {
    *("level", "arm", "suite", "task", "policy", "checkpoint", "seed", "fingerprint", "not_real", "notes"),
    *("episodes_asked", "episodes", "completed", "successes", "errors"),
    *(metric.key for metric in STANDARD),
    *(f"{stem}{end}" for stem in _STEMS for end in ("", "_low", "_high")),
}
"""What a column of a table is called already."""


def column(key: str, suffix: str, keys: Collection[str]) -> str:
    """``env/length_low``: a column that belongs to a metric, with underscores behind it if another has that name.

    Args:
        key: the metric's.
        suffix: what it is of the metric.
        keys: of all metrics that have columns in the table.
    """
    name = f"{key}_{suffix}"
    while name in keys:
        name += "_"
    return name


def of_figure(name: str) -> Metric:
    """The metric of a figure that no metric speaks of: its mean."""
    label = name.partition("/")[2].replace("_", " ").strip() or name
    return Metric(name, label, Mean(), functools.partial(figure, name=name), figures=(name,))


def _told_apart(metrics: Sequence[Metric]) -> list[Metric]:
    """The same, with keys as labels where labels are alike."""
    labels = [metric.label for metric in (*STANDARD, *metrics)]
    return [replace(m, label=m.key) if labels.count(m.label) > 1 else m for m in metrics]


def merged(of: Iterable[Sequence[Metric]]) -> tuple[Metric, ...]:
    """Those of several runs, each once."""
    found: dict[str, Metric] = {}
    for metrics in of:
        for metric in metrics:
            before = found.setdefault(metric.key, metric)
            if before.kind != metric.kind:  # as the lengths of chains of three and of five
                found[metric.key] = replace(before, unit="", compared=False)
    return tuple(sorted(found.values(), key=lambda metric: (not metric.standard, not metric.headline)))


def measured(
    metrics: Sequence[Metric], groups: Mapping[str, Sequence[EpisodeResult]]
) -> tuple[dict[str, Measures], Measures]:
    """What the metrics come to in each group of results, and in all of them together."""
    by_group: dict[str, Measures] = {name: {} for name in groups}
    together: Measures = {}
    known: dict[int, dict[str, list[Value]]] = {}  # what two metrics look at, as latencies, is looked up once
    for metric in metrics:
        values = known.get(id(metric.value)) or {
            name: [value for result in results if (value := metric.value(result)) is not None]
            for name, results in groups.items()
        }
        known[id(metric.value)] = values
        for name, of in values.items():
            by_group[name][metric.key] = metric.kind.measure(of)
        together[metric.key] = metric.kind.measure([value for of in values.values() for value in of])
    return by_group, together
