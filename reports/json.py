"""``report.json``: everything in one file for programs, as ``report.schema.json`` in this folder describes it.

Numbers that do not exist (the rate of no episodes, say) are null.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

from mmact_eval.reports._files import write_text
from mmact_eval.results.metrics.metric import Metric
from mmact_eval.results.pairing import Pairing
from mmact_eval.results.published.chains import METRICS, published_length
from mmact_eval.results.published.table import PublishedRow
from mmact_eval.results.report_data import ArmRun, Report, SuiteReport
from mmact_eval.results.summary import without_nan
from mmact_eval.statistics import level

VERSION = 1


def write(report: Report, out: Path) -> list[Path]:
    """Write ``report.json`` into the folder `out`.

    Raises:
        UsageError: it cannot be written.
    """
    return [write_text(out, "report.json", json.dumps(record(report), allow_nan=False) + "\n")]


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the file."""
    text = (resources.files(__package__) / "report.schema.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def record(report: Report) -> dict[str, Any]:
    """The report as JSON-ready data."""
    published = report.published
    data: dict[str, Any] = {
        "version": VERSION,
        "title": report.title,
        "arms": list(report.arms),
        "not_real": list(report.not_real),
        "warnings": list(report.warnings),
        "confidence": level.CONFIDENCE,
        "metrics": [_metric(metric) for metric in report.metrics],
        "suites": [_suite(suite) for suite in report.suites],
        "averages": {
            arm: {"rate": mean.rate, "interval": [mean.low, mean.high]} for arm, mean in report.averages.items()
        },
        "published": [
            {
                "model": row.model,
                "kind": row.kind,
                "source": row.source,
                "protocol": row.protocol,
                "physics": row.physics,
                "physics_source": row.physics_source,
                "differences": list(row.differences),
                "not_stated": list(row.not_stated),
                "percent": {suite: result.value for suite, result in row.results.items()},
                "episodes": {suite: result.episodes for suite, result in row.results.items()},
            }
            for row in (published.rows if published else ())
        ],
    }
    if published is not None and published.chains:
        data["published_chains"] = {chains.suite: [_chain(row) for row in chains.rows] for chains in published.chains}
    if report.repeats is not None:
        data["repeats"] = asdict(report.repeats)
    plain: dict[str, Any] = without_nan(data)
    return plain


def _metric(metric: Metric) -> dict[str, Any]:
    return {
        "key": metric.key,
        "label": metric.label,
        "kind": metric.kind.name,
        "unit": metric.unit,
        "better": metric.better,
        "interval": metric.kind.interval,
        "test": metric.kind.test if metric.compared else "",
        "figures": list(metric.figures),
    }


def _chain(row: PublishedRow) -> dict[str, Any]:
    """A model as measured in one way on chains."""
    length = published_length(row.results)
    return {
        "model": row.model,
        "kind": row.kind,
        "source": row.source,
        "protocol": row.protocol,
        "differences": list(row.differences),
        "not_stated": list(row.not_stated),
        "in_a_row": [row.results[key].value if key in row.results else None for key in METRICS[:-1]],
        "average_length": length.value,
        "interval": None if math.isnan(length.low) else [length.low, length.high],
        "chains": next(iter(row.results.values())).episodes,
    }


def _suite(suite: SuiteReport) -> dict[str, Any]:
    return {
        "suite": suite.suite,
        "title": suite.title,
        "notes": list(suite.notes),
        "best": list(suite.best),
        "arms": [_arm(arm) for arm in suite.arms],
        "pairings": [_pairing(pairing) for pairing in suite.pairings],
    }


def _arm(arm: ArmRun) -> dict[str, Any]:
    summary = arm.summary.to_json()
    rows = [*summary["rows"], summary["total"]]
    for row in rows:
        row["interval"] = [row.pop("low"), row.pop("high")]
    return {
        "arm": arm.arm,
        "folder": str(arm.run.folder),
        "policy": summary["policy"],
        "not_real": summary["not_real"],
        "warnings": summary["warnings"],
        "total": summary["total"],
        "tasks": summary["rows"],
        "task_mean": summary["task_mean"],
        "task_mean_interval": [summary["task_mean_low"], summary["task_mean_high"]],
        "plans": summary["plans"],
        "fingerprint": arm.run.fingerprint,
        "provenance": summary["provenance"],
        "versions": summary["versions"],
        "episodes": [result.to_json() for result in arm.run.results],
        **_stages(arm),
    }


def _stages(arm: ArmRun) -> dict[str, Any]:
    """How many there are and what they come to by sub-task; nothing where episodes have one instruction."""
    if arm.summary.stages < 2:
        return {}
    sub_tasks = [
        {"sub_task": of.name, "attempted": of.attempted, "solved": of.solved, "rate": rate.value,
         "interval": [rate.low, rate.high]}
        for of in arm.summary.sub_tasks for rate in [of.measured]
    ]  # fmt: skip
    return {"stages": arm.summary.stages, "sub_tasks": sub_tasks}


def _pairing(pairing: Pairing) -> dict[str, Any]:
    counts, valid = pairing.counts, not pairing.blocked
    return {
        "first": pairing.first,
        "second": pairing.second,
        "blocked": list(pairing.blocked),
        "both": counts.both,
        "only_first": counts.only_a,
        "only_second": counts.only_b,
        "neither": counts.neither,
        "left_out": pairing.left_out,
        "difference": counts.difference if valid else None,
        "interval": list(pairing.interval) if valid else None,
        "p_value": pairing.p_value if valid else None,
        "p_holm": pairing.p_holm if valid else None,
        "detectable": pairing.detectable if valid else None,
        "identical": pairing.identical,
        "measures": {key: found.record() for key, found in pairing.measures.items()} if valid else {},
    }
