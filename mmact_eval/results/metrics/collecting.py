"""Which metrics some results have, and what they come to."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from mmact_eval import registry
from mmact_eval.results.metrics.built_in import FURTHER, STANDARD, figure
from mmact_eval.results.metrics.kinds import Mean
from mmact_eval.results.metrics.metric import Measured, Metric, Value
from mmact_eval.types import EpisodeResult

Measures = dict[str, Measured]
"""By the metric's key."""


def metrics_of(results: Sequence[EpisodeResult], more: Iterable[Metric] = ()) -> tuple[Metric, ...]:
    """The metrics for these results: the standard ones, those that say that they are headlines, others, figures.

    Args:
        results: of a run.
        more: what is particular to the run.
    """
    named = {name for result in results for name in result.figures}
    known = {metric.key: metric for metric in (*FURTHER, *registered(), *more)}
    for metric in STANDARD:
        known.pop(metric.key, None)
    there = [metric for metric in known.values() if not metric.figures or metric.figures[0] in named]
    spoken_of = {name for metric in known.values() for name in (metric.key, *metric.figures)}
    own = [of_figure(name) for name in sorted(named - spoken_of)]
    return (*STANDARD, *sorted(_told_apart([*there, *own]), key=lambda metric: not metric.headline))


def registered() -> list[Metric]:
    """The metrics that other packages bring."""
    found = [thing for one in registry.metrics() for thing in ([one] if isinstance(one, Metric) else one)]
    return [metric for metric in found if isinstance(metric, Metric)]


def of_figure(name: str) -> Metric:
    """The metric of a figure that no metric speaks of: its mean."""
    label = name.partition("/")[2].replace("_", " ") or name
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
            found.setdefault(metric.key, metric)
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
