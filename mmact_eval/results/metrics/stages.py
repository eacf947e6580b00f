"""Episodes with stages (`Protocol.stages`): how many in a row, the average length, each sub-task where it was asked.

Success of such an episode is all stages, so the success rate is K in a row.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mmact_eval.results.metrics.kinds import Length, Rate
from mmact_eval.results.metrics.metric import Measured, Metric
from mmact_eval.types import EpisodeResult

AVERAGE_LENGTH = "average_length"
"""Key of the metric, and what published results call it."""


def in_a_row(stages: int) -> str:
    """``3_in_a_row``, likewise."""
    return f"{stages}_in_a_row"


def stage_metrics(stages: int) -> tuple[Metric, ...]:
    """The metrics of a suite whose episodes have so many stages; none where they have one instruction.

    Arms are compared in the average length. K in a row is the success rate, which is compared anyhow; fewer in a row
    are not, as tests of five nested rates would be looked through for the one that pleases.
    """
    if stages < 2:
        return ()
    return (
        Metric(AVERAGE_LENGTH, "average length", Length(stages), length, f"of {stages}", "higher", 2, headline=True,
               apart=True),
        *(Metric(in_a_row(k), f"{k} in a row", Rate(), functools.partial(_reached, k), better="higher", apart=True,
                 compared=False) for k in range(1, stages + 1)),
    )  # fmt: skip


def length(result: EpisodeResult) -> float | None:
    """How many stages were solved; an error has no length."""
    return None if result.outcome == "error" else result.stages_solved


def _reached(stages: int, result: EpisodeResult) -> float | None:
    return None if result.outcome == "error" else float(result.stages_solved >= stages)


@dataclass(frozen=True)
class SubTask:
    """What was asked as a stage, over all the times it was.

    Attributes:
        name: the benchmark's.
        attempted: how often it was asked, in completed episodes. Which chains come so far is up to the policy, so two
            policies are not asked the same.
        solved: how often of these it was solved.
    """

    name: str
    attempted: int
    solved: int

    @property
    def measured(self) -> Measured:
        """The success rate with its exact interval."""
        return Rate().measure([1.0] * self.solved + [0.0] * (self.attempted - self.solved))


def sub_tasks(results: Iterable[EpisodeResult]) -> tuple[SubTask, ...]:
    """All that were asked as stages, by name; what ended in an error does not count."""
    found: dict[str, list[bool]] = {}
    for result in results:
        if result.outcome != "error":
            for stage in result.stages:
                found.setdefault(stage.task, []).append(stage.success)
    return tuple(SubTask(name, len(of), sum(of)) for name, of in sorted(found.items()))


def shown_in_a_row(metrics: Sequence[Metric]) -> list[Metric]:
    """Of these, what the table of stages has: 1 to K in a row, then the average length, as papers print them."""
    return sorted((metric for metric in metrics if metric.apart), key=lambda metric: metric.headline)
