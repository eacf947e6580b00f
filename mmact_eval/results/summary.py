"""From episode results to rates and other measures: what every table and report is made of.

Errors (exceptions, crashes, time limits) are kept apart: the rate is over *completed* episodes, and a second rate
counts errors as not solved. A suite's rate is pooled over its episodes; the unweighted mean over its tasks is given
too, with an interval for these tasks: it weighs tasks equally when they have different numbers of episodes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from mmact_eval.results.action_facts import action_warnings, executed_a_query
from mmact_eval.results.metrics.built_in import STANDARD
from mmact_eval.results.metrics.collecting import Measures, measured, metrics_of
from mmact_eval.results.metrics.metric import Metric
from mmact_eval.results.metrics.stages import SubTask, stage_metrics, sub_tasks
from mmact_eval.results.plan_scores import PlanScores, plan_scores
from mmact_eval.results.trained_on import seen_in_training, training_metrics
from mmact_eval.runs.files.session import Session
from mmact_eval.runs.manifest import Manifest
from mmact_eval.statistics.level import CONFIDENCE
from mmact_eval.statistics.stratified import mean_rate_interval
from mmact_eval.types import EpisodeResult
from mmact_eval.wording import counted


@dataclass(frozen=True)
class Row:
    """A task, or a whole suite. What does not exist (the rate of no episodes, say) is NaN.

    Attributes:
        suite: canonical suite name.
        task: task name, "" for the suite's total.
        asked: episodes planned, at least those with a result; None if not known.
        episodes: episodes with a result, n.
        successes: k.
        errors: episodes that ended in an error, e.
        measures: what every metric of the summary comes to, by its key.
    """

    suite: str
    task: str
    asked: int | None
    episodes: int
    successes: int
    errors: int
    measures: Measures

    @property
    def completed(self) -> int:
        """Episodes that ended in success or failure, n - e."""
        return self.episodes - self.errors

    @property
    def rate(self) -> float:
        """Success rate over completed episodes, k / (n - e)."""
        return self.measures["rate"].value

    @property
    def low(self) -> float:
        """Of the exact two-sided interval of `rate`; 0 if no episode completed."""
        return self.measures["rate"].low

    @property
    def high(self) -> float:
        """Of the same; 1 if no episode completed."""
        return self.measures["rate"].high

    @property
    def rate_all(self) -> float:
        """Success rate over all n episodes, an error counted as not solved."""
        return self.measures["rate_all"].value

    @property
    def steps(self) -> float:
        """Mean environment steps of completed episodes."""
        return self.measures["steps_mean"].value

    @property
    def steps_success(self) -> float:
        """Mean environment steps of successes."""
        return self.measures["steps_success_mean"].value

    @property
    def queries(self) -> int:
        """How often the policy was asked, all episodes together."""
        return int(self.measures["queries"].value)

    @property
    def latency_p50(self) -> float:
        """Milliseconds of the policy's call that answered a query, median over all queries."""
        return self.measures["latency_p50_ms"].value

    @property
    def latency_p95(self) -> float:
        """The same, 95th percentile."""
        return self.measures["latency_p95_ms"].value

    @property
    def seconds(self) -> float:
        """Mean wall-clock seconds of a completed episode."""
        return self.measures["seconds_mean"].value

    def to_json(self) -> dict[str, Any]:
        """Plain data; NaN is still in it."""
        plain = {name: getattr(self, name) for name in _PLAIN}
        return plain | {"measures": {key: found.record() for key, found in self.measures.items()}}


_PLAIN = ("suite", "task", "asked", "episodes", "successes", "errors", "rate", "low", "high", "rate_all", "steps",
          "steps_success", "queries", "latency_p50", "latency_p95", "seconds")  # fmt: skip


@dataclass(frozen=True)
class Summary:
    """Everything a report shows.

    Attributes:
        title: the suite's title, or its name.
        suite: canonical suite name.
        policy: the policy's name.
        rows: one for each task, in the benchmark's order where the manifest tells it, else by name.
        total: all episodes of the suite pooled.
        task_mean: unweighted mean of the tasks' rates; tasks without a completed episode are left out.
        task_mean_low, task_mean_high: its stratified interval (see `mmact_eval.statistics.stratified`).
        errors: the results that are errors, by episode.
        not_real: what is not the real thing, a sentence each; empty if everything is.
        warnings: what to know before reading the numbers, a sentence each.
        provenance: what was run, label → value, for people.
        versions: package → version.
        confidence: of the intervals.
        plans: how good what the policy said beside its actions was; None if it said nothing that can be scored.
        metrics: what the rows have, in the order in which it is shown.
        stages: instructions that an episode gives one after another.
        sub_tasks: what these were, over the times they were asked; empty where an episode has one instruction.
    """

    title: str
    suite: str
    policy: str
    rows: tuple[Row, ...]
    total: Row
    task_mean: float
    task_mean_low: float
    task_mean_high: float
    errors: tuple[EpisodeResult, ...] = ()
    not_real: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    confidence: float = CONFIDENCE
    plans: PlanScores | None = None
    metrics: tuple[Metric, ...] = STANDARD
    stages: int = 1
    sub_tasks: tuple[SubTask, ...] = ()

    @property
    def further(self) -> tuple[Metric, ...]:
        """The metrics that the usual tables do not have."""
        return tuple(metric for metric in self.metrics if not metric.standard)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready data; NaN becomes null."""
        record = {part.name: getattr(self, part.name) for part in fields(self) if part.name != "metrics"}
        record["sub_tasks"] = [asdict(of) for of in self.sub_tasks]
        record["rows"], record["total"] = [row.to_json() for row in self.rows], self.total.to_json()
        record["plans"] = asdict(self.plans) if self.plans else None
        record["errors"] = [result.to_json() for result in self.errors]
        plain: dict[str, Any] = without_nan(record)
        return plain


def summarize(results: Iterable[EpisodeResult], manifest: Manifest, sessions: Sequence[Session] = ()) -> Summary:
    """Count.

    Args:
        results: of one run, in any order; of two for the same episode the later counts.
        manifest: the run's; what it lacks, the summary does not tell.
        sessions: each start of the run, oldest first: what was asked last, and on which machines it ran.
    """
    from mmact_eval.results.facts import EXECUTED, RunFacts

    latest = {result.episode: result for result in results}
    ordered = [latest[episode] for episode in sorted(latest)]
    facts = RunFacts(manifest, sessions)
    suite = facts.suite or (ordered[0].episode.suite if ordered else "")

    by_task: dict[str, list[EpisodeResult]] = {task: [] for task in facts.tasks}
    for result in ordered:
        by_task.setdefault(result.episode.task, []).append(result)
    stages = manifest.made_with.stages
    particular = (*stage_metrics(stages), *training_metrics(manifest.made_with.trained_on, ordered))
    metrics = metrics_of(ordered, particular)
    of_tasks, of_all = measured(metrics, by_task)
    rows = tuple(_row(suite, task, facts.asked(task), group, of_tasks[task]) for task, group in by_task.items())
    total = _row(suite, "", facts.asked(""), ordered, of_all)
    provenance = facts.provenance()
    asked_a_query = provenance.get(EXECUTED, "")
    if any(result.executed for result in ordered):
        provenance[EXECUTED] = executed_a_query(ordered, asked_a_query)
    about_actions = action_warnings(ordered, asked_a_query, facts.action())
    task_mean = mean_rate_interval([(row.successes, row.completed) for row in rows], CONFIDENCE)

    return Summary(
        title=facts.title or suite or "Evaluation",
        suite=suite,
        policy=facts.policy,
        rows=rows,
        total=total,
        task_mean=task_mean[0],
        task_mean_low=task_mean[1],
        task_mean_high=task_mean[2],
        errors=tuple(result for result in ordered if result.outcome == "error"),
        not_real=facts.not_real(),
        warnings=(
            *_warnings(total),
            *_scene_remarks(ordered),
            *facts.pictures_differ(),
            *about_actions,
            *facts.renderer_note(),
            *seen_in_training(manifest.made_with.trained_on, ordered),
        ),
        provenance=provenance,
        versions=facts.versions(),
        plans=plan_scores(ordered),
        metrics=metrics,
        stages=stages,
        sub_tasks=sub_tasks(ordered) if stages > 1 else (),
    )


def _row(suite: str, task: str, asked: int | None, results: Sequence[EpisodeResult], measures: Measures) -> Row:
    n = len(results)
    return Row(
        suite=suite,
        task=task,
        asked=None if asked is None else max(asked, n),  # a run may be asked for fewer than it already has
        episodes=n,
        successes=sum(result.outcome == "success" for result in results),
        errors=sum(result.outcome == "error" for result in results),
        measures=measures,
    )


def _warnings(total: Row) -> Iterable[str]:
    if total.asked is not None and total.asked > total.episodes:
        yield f"The run is not finished: {total.asked - total.episodes} of {total.asked} episodes have no result yet."
    if total.errors:
        were = counted(total.errors, "episode was an error", "episodes were errors")
        yield f"{were}, left out of the rate over completed episodes and counted as not solved in the rate over all."


def _scene_remarks(results: Sequence[EpisodeResult]) -> Iterable[str]:
    """A sentence if scenes were not as they should be, with the first of them."""
    odd = [result for result in results if result.scene_remarks]
    if odd:
        tasks, first = len({result.episode.task for result in odd}), odd[0]
        of = counted(tasks, "task")
        yield (
            f"In {len(odd)} of {len(results)} episodes ({of}) the scene was not at rest when the policy saw it first; "
            f"{first.episode.task}, init state {first.episode.init_state}: {', '.join(first.scene_remarks)}."
        )


def without_nan(value: Any) -> Any:
    """As JSON has it: None for NaN, ``"inf"`` for infinity, which a policy's arguments may hold."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    if isinstance(value, float) and math.isinf(value):
        return str(value)
    return None if isinstance(value, float) and math.isnan(value) else value
