"""``eval_info.json`` as `lerobot-eval` writes it, for tools that read that; with several arms a file for each.

Its format has no errors: episodes that ended in one are left out, and `n_episodes` counts the others. A success has
the reward 1, anything else 0; where episodes have stages, each that is solved has the reward 1. Videos are paths
relative to the run folder. ``notes``, which `lerobot-eval` does not write, is there if one must know something before
reading the numbers. Other metrics of the runs (figures of episodes, say) are there by their keys: the value of each
episode, null where it has none, and ``avg_KEY`` for what they come to.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mmact_eval.reports._files import write_text
from mmact_eval.results.metrics.collecting import measured, merged
from mmact_eval.results.metrics.metric import Measured, Metric
from mmact_eval.results.report_data import ArmRun, Report
from mmact_eval.types import EpisodeResult


def write(report: Report, out: Path) -> list[Path]:
    """Write the files into the folder `out`.

    Raises:
        UsageError: they cannot be written.
    """
    files = []
    for number, arm in enumerate(report.arms):
        plain = re.sub(r"[^\w.=-]+", "_", arm).strip("_") or str(number)
        name = "eval_info.json" if len(report.arms) == 1 else f"eval_info-{number}-{plain[:80]}.json"
        runs = [run for run in report.runs if run.arm == arm]
        notes = {"notes": list(report.warnings)} if report.warnings else {}
        files.append(write_text(out, name, json.dumps(record(runs) | notes, indent=2) + "\n"))
    return files


def record(runs: Sequence[ArmRun]) -> dict[str, Any]:
    """The runs of one arm, a group each.

    Per task the metrics of each episode, per group and overall their means. As in lerobot, what has no episodes is
    NaN, which Python's and most other readers of JSON take.
    """
    metrics = [m for m in merged(run.summary.metrics for run in runs) if not m.standard]
    per_task: list[dict[str, Any]] = []
    per_group: dict[str, dict[str, Any]] = {}
    everything: list[EpisodeResult] = []
    for run in runs:
        by_task: dict[str, list[EpisodeResult]] = {row.task: [] for row in run.summary.rows}
        for result in run.run.results:
            if result.outcome != "error":
                by_task.setdefault(result.episode.task, []).append(result)
        per_task += [
            {"task_group": run.run.suite, "task_id": number, "metrics": _metrics(results, metrics)}
            for number, results in enumerate(by_task.values())
        ]
        completed = [result for results in by_task.values() for result in results]
        per_group[run.run.suite] = _means(completed, metrics)
        everything += completed
    seconds = math.fsum(result.seconds for result in everything)
    overall = {**_means(everything, metrics), "eval_s": seconds, "eval_ep_s": seconds / max(1, len(everything))}
    return {"per_task": per_task, "per_group": per_group, "overall": overall}


def _metrics(results: Sequence[EpisodeResult], metrics: Sequence[Metric]) -> dict[str, Any]:
    return {
        "sum_rewards": [_reward(result) for result in results],
        "max_rewards": [min(1.0, _reward(result)) for result in results],
        "successes": [result.outcome == "success" for result in results],
        "video_paths": _videos(results),
        **{metric.key: [metric.value(result) for result in results] for metric in metrics},
    }


def _means(results: Sequence[EpisodeResult], metrics: Sequence[Metric]) -> dict[str, Any]:
    rate = sum(result.outcome == "success" for result in results) / len(results) if results else math.nan
    rewards = [_reward(result) for result in results]
    return {
        "avg_sum_reward": sum(rewards) / len(rewards) if rewards else math.nan,
        "avg_max_reward": sum(min(1.0, reward) for reward in rewards) / len(rewards) if rewards else math.nan,
        "pc_success": 100.0 * rate,
        "n_episodes": len(results),
        "video_paths": _videos(results),
        **{f"avg_{metric.key}": found.value for metric, found in _measured(metrics, results)},
    }


def _reward(result: EpisodeResult) -> float:
    """All of an episode's: 1 for a success, or for each stage that was solved."""
    return float(result.stages_solved if result.stages else result.outcome == "success")


def _measured(metrics: Sequence[Metric], results: Sequence[EpisodeResult]) -> Iterator[tuple[Metric, Measured]]:
    _, together = measured(metrics, {"": results})
    yield from ((metric, together[metric.key]) for metric in metrics)


def _videos(results: Sequence[EpisodeResult]) -> list[str]:
    return [result.artifacts["video"] for result in results if "video" in result.artifacts]
