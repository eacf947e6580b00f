"""Tidy tables for spreadsheets and scripts: ``report.csv``, ``episodes.csv``; with several arms ``pairs.csv``; where
episodes have stages ``stages.csv`` and ``sub_tasks.csv``.

Numbers have full precision; what does not exist (the rate of no episodes, say) is an empty cell.

``report.csv``: one line for each arm and task, and one for each arm and suite.

| column | meaning |
|---|---|
| level | ``task``, or ``suite`` for the line with all episodes pooled |
| arm, suite, task | names; the task is empty in the suite's line |
| policy, checkpoint, seed, fingerprint | what was run, under which protocol |
| not_real | what is not the real thing, empty if everything is |
| notes | what to know before reading any number of the report |
| episodes_asked, episodes, completed, successes, errors | counts; completed = episodes - errors |
| rate, rate_low, rate_high | successes / completed with its exact (Clopper–Pearson) interval |
| rate_all | successes / episodes: an error counts as not solved |
| rate_task_mean, rate_task_mean_low, rate_task_mean_high | in the suite's line: unweighted mean of the tasks' rates |
| steps_mean, steps_success_mean | mean environment steps of completed episodes, of successes |
| queries, latency_p50_ms, latency_p95_ms | how often the policy was asked, milliseconds to its answer |
| seconds_mean | mean wall-clock seconds of a completed episode |
| KEY, KEY_low, KEY_high | for every other metric of the runs, a figure's name for instance (``env/length``) |

If another metric is called ``KEY_low``, the end of the interval is called ``KEY_low_``.

``episodes.csv``: one line for each arm and episode.

| column | meaning |
|---|---|
| arm, suite, task, init_state, seed | which |
| outcome | success, failure or error |
| steps, queries | environment steps under the policy, how often it was asked |
| latency_mean_ms | mean milliseconds of its answers |
| seconds, attempts | wall-clock seconds, starts until there was a result |
| scene_hash, final_hash | of the scene after reset, of the simulator's state at the end |
| error_kind, error | of errors |
| video | path relative to the run folder |
| NAME | for every figure of the runs, such as ``env/length`` |
| stages_solved | where episodes have stages: how many were solved, empty for errors |

``pairs.csv``: each other arm against the first.

| column | meaning |
|---|---|
| suite, first, second | which; differences are second minus first |
| pairs, both, only_first, only_second, neither | episodes that both completed, by outcome |
| left_out | episodes in which an arm ended in an error |
| difference, difference_low, difference_high | of success rates, with its interval |
| p_value, p_holm | exact McNemar, and adjusted for the number of arms |
| blocked | why the two must not be compared; the numbers are then left out |
| KEY_pairs | for every other metric that is compared: episodes for which both arms have a value |
| KEY_difference, KEY_difference_low, KEY_difference_high, KEY_p_value, KEY_p_holm | as above, of these |

``stages.csv``: one line for each stage that was attempted, errors included.

| column | meaning |
|---|---|
| arm, suite, task, init_state, seed, outcome | of the episode |
| stage, sub_task | its number, from 1, and what was asked |
| steps, solved | environment steps under it, and 1 if it was solved, else 0 |

``sub_tasks.csv``: one line for each arm and sub-task.

| column | meaning |
|---|---|
| arm, suite, sub_task | which |
| attempted, solved | how often it was asked in completed episodes, and solved |
| rate, rate_low, rate_high | of these, with its exact interval |

Intervals are at the level of `mmact_eval.statistics.level`, 95 %; metrics and their methods are in docs/statistics.md.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmact_eval.reports._files import write_text
from mmact_eval.results.facts import CHECKPOINT, FINGERPRINT, SEED
from mmact_eval.results.metrics.collecting import column
from mmact_eval.results.metrics.metric import Difference, Measured, Metric
from mmact_eval.results.metrics.stages import length
from mmact_eval.results.pairing import Pairing
from mmact_eval.results.report_data import ArmRun, Report
from mmact_eval.results.summary import Row, Summary


def write(report: Report, out: Path) -> list[Path]:
    """Write the tables into the folder `out`.

    Raises:
        UsageError: they cannot be written.
    """
    files = [
        write_text(out, "report.csv", _text(list(tasks(report)))),
        write_text(out, "episodes.csv", _text(list(episodes(report)))),
    ]
    if any(suite.pairings for suite in report.suites):
        files.append(write_text(out, "pairs.csv", _text(list(pairs(report)))))
    if any(arm.summary.stages > 1 for arm in report.runs):
        files.append(write_text(out, "stages.csv", _text(list(stages(report)))))
        files.append(write_text(out, "sub_tasks.csv", _text(list(sub_tasks(report)))))
    return files


def tasks(report: Report) -> Iterator[dict[str, Any]]:
    """The lines of ``report.csv``."""
    metrics = report.metrics
    for arm in report.runs:
        notes = " ".join(report.warnings)
        yield from (_task(arm, row, "task", notes, metrics) for row in arm.summary.rows)
        yield _task(arm, arm.summary.total, "suite", notes, metrics)


def _task(arm: ArmRun, row: Row, level: str, notes: str, metrics: Sequence[Metric]) -> dict[str, Any]:
    summary = arm.summary
    whole = level == "suite"
    return {
        "level": level,
        "arm": arm.arm,
        "suite": row.suite,
        "task": row.task,
        "policy": summary.policy,
        "checkpoint": summary.provenance.get(CHECKPOINT, ""),
        "seed": summary.provenance.get(SEED, ""),
        "fingerprint": summary.provenance.get(FINGERPRINT, ""),
        "not_real": " ".join(summary.not_real),
        "notes": notes,
        "episodes_asked": row.asked,
        "episodes": row.episodes,
        "completed": row.completed,
        "successes": row.successes,
        "errors": row.errors,
        **_measures(metrics, row, summary if whole else None),
    }


def _measures(metrics: Sequence[Metric], row: Row, whole: Summary | None) -> dict[str, Any]:
    """All metrics. Of the standard ones only the headline has its interval; and the mean over tasks is among them."""
    cells: dict[str, Any] = {}
    keys = {metric.key for metric in metrics}
    for metric in metrics:
        found = row.measures.get(metric.key, Measured())
        cells[metric.key] = found.value
        if metric.kind.interval and (metric.headline or not metric.standard):
            ends = {"low": found.low, "high": found.high}
            cells |= {column(metric.key, name, keys): value for name, value in ends.items()}
        if metric.key == "rate_all":
            cells |= {
                "rate_task_mean": whole.task_mean if whole else None,
                "rate_task_mean_low": whole.task_mean_low if whole else None,
                "rate_task_mean_high": whole.task_mean_high if whole else None,
            }
    return cells


def episodes(report: Report) -> Iterator[dict[str, Any]]:
    """The lines of ``episodes.csv``."""
    figures = sorted({name for arm in report.runs for result in arm.run.results for name in result.figures})
    staged = any(arm.summary.stages > 1 for arm in report.runs)
    for arm in report.runs:
        for result in arm.run.results:
            episode = result.episode
            answers = len(result.latencies)
            yield {
                "arm": arm.arm,
                "suite": episode.suite,
                "task": episode.task,
                "init_state": episode.init_state,
                "seed": episode.seed,
                "outcome": result.outcome,
                "steps": result.steps,
                "queries": result.queries,
                "latency_mean_ms": 1000.0 * sum(result.latencies) / answers if answers else None,
                "seconds": result.seconds,
                "attempts": result.attempts,
                "scene_hash": result.scene_hash,
                "final_hash": result.final_hash,
                "error_kind": result.error_kind,
                "error": result.error,
                "video": result.artifacts.get("video", ""),
                **{name: result.figures.get(name) for name in figures},
                **({"stages_solved": length(result) if arm.summary.stages > 1 else None} if staged else {}),
            }


def stages(report: Report) -> Iterator[dict[str, Any]]:
    """The lines of ``stages.csv``."""
    for arm in report.runs:
        for result in arm.run.results:
            for number, stage in enumerate(result.stages):
                yield {
                    "arm": arm.arm,
                    "suite": result.episode.suite,
                    "task": result.episode.task,
                    "init_state": result.episode.init_state,
                    "seed": result.episode.seed,
                    "outcome": result.outcome,
                    "stage": number + 1,
                    "sub_task": stage.task,
                    "steps": stage.steps,
                    "solved": int(stage.success),
                }


def sub_tasks(report: Report) -> Iterator[dict[str, Any]]:
    """The lines of ``sub_tasks.csv``."""
    for arm in report.runs:
        for of in arm.summary.sub_tasks:
            rate = of.measured
            yield {
                "arm": arm.arm,
                "suite": arm.run.suite,
                "sub_task": of.name,
                "attempted": of.attempted,
                "solved": of.solved,
                "rate": rate.value,
                "rate_low": rate.low,
                "rate_high": rate.high,
            }


def pairs(report: Report) -> Iterator[dict[str, Any]]:
    """The lines of ``pairs.csv``."""
    compared = {key for suite in report.suites for pairing in suite.pairings for key in pairing.measures}
    keys = [metric.key for metric in report.metrics if metric.key in compared]
    for suite in report.suites:
        yield from (_pair(suite.suite, pairing, keys) for pairing in suite.pairings)


def _pair(suite: str, pairing: Pairing, keys: Sequence[str]) -> dict[str, Any]:
    counts, valid = pairing.counts, not pairing.blocked
    low, high = pairing.interval if valid else (None, None)
    return {
        "suite": suite,
        "first": pairing.first,
        "second": pairing.second,
        "pairs": counts.n,
        "both": counts.both,
        "only_first": counts.only_a,
        "only_second": counts.only_b,
        "neither": counts.neither,
        "left_out": pairing.left_out,
        "difference": counts.difference if valid else None,
        "difference_low": low,
        "difference_high": high,
        "p_value": pairing.p_value if valid else None,
        "p_holm": pairing.p_holm if valid else None,
        "blocked": "; ".join(pairing.blocked),
        **{name: cell for key in keys for name, cell in _difference(key, pairing).items()},
    }


def _difference(key: str, pairing: Pairing) -> dict[str, Any]:
    found = pairing.measures.get(key, Difference())
    return {
        f"{key}_pairs": found.pairs,
        f"{key}_difference": found.difference,
        f"{key}_difference_low": found.low,
        f"{key}_difference_high": found.high,
        f"{key}_p_value": found.p_value,
        f"{key}_p_holm": found.p_holm,
    }


def _text(records: Sequence[Mapping[str, Any]]) -> str:
    """Lines with a header; without records nothing at all."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    if records:
        writer.writerow(records[0])
    writer.writerows(["" if _missing(value) else value for value in record.values()] for record in records)
    return stream.getvalue()


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
