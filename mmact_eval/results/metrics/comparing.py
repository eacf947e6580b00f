"""Two arms on the same episodes in every metric that both have."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from mmact_eval.results.metrics.metric import Difference, Metric
from mmact_eval.statistics.level import CONFIDENCE
from mmact_eval.statistics.many import holm
from mmact_eval.types import EpisodeResult

Differences = Mapping[str, Difference]
"""By the metric's key."""


def differences(
    metrics: Sequence[Metric],
    first: Sequence[EpisodeResult],
    second: Sequence[EpisodeResult],
    confidence: float = CONFIDENCE,
) -> dict[str, Difference]:
    """The second arm against the first, in the metrics that are compared beside the success rate.

    Args:
        metrics: the arms'.
        first, second: their results; pairs are episodes for which both have a value.
        confidence: of the intervals.
    """
    found = {}
    others = {result.episode: result for result in second}
    common = [(a, others[a.episode]) for a in first if a.episode in others]
    for metric in metrics:
        if metric.standard or not metric.compared or not metric.kind.test:
            continue
        values = ((metric.value(a), metric.value(b)) for a, b in common)
        pairs = [(a, b) for a, b in values if a is not None and b is not None]
        if pairs:
            found[metric.key] = metric.kind.compare(pairs, confidence)
    return found


def adjusted(of_arms: Sequence[Differences]) -> list[dict[str, Difference]]:
    """The same with Holm's correction, in each metric over the arms that were compared in it."""
    found = [dict(differences) for differences in of_arms]
    for key in dict.fromkeys(key for of in of_arms for key in of):
        tested = [of for of in found if key in of and not math.isnan(of[key].p_value)]
        for of, p in zip(tested, holm([of[key].p_value for of in tested]), strict=True):
            of[key] = replace(of[key], p_holm=p)
    return found
