"""``report.csv``: one line for each task and one for the suite, for spreadsheets and scripts.

Numbers have full precision; what does not exist (the rate of no episodes, say) is an empty cell.

| column | meaning |
|---|---|
| level | ``task``, or ``suite`` for the line with all episodes pooled |
| suite, task | names; the task is empty in the suite's line |
| policy, checkpoint, seed, fingerprint | what was run, under which protocol |
| not_real | what is not the real thing, empty if everything is |
| episodes_asked, episodes, completed, successes, errors | counts; completed = episodes - errors |
| rate, rate_low, rate_high | successes / completed with its exact (Clopper–Pearson) 95 % interval |
| rate_all | successes / episodes: an error counts as not solved |
| rate_task_mean | in the suite's line: the unweighted mean of the tasks' rates |
| steps_mean, steps_success_mean | mean environment steps of completed episodes, of successes |
| queries, latency_p50_ms, latency_p95_ms | how often the policy was asked, milliseconds to its answer |
| seconds_mean | mean wall-clock seconds of a completed episode |
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmact_eval.reports._files import write_text
from mmact_eval.summary import Row, Summary

if TYPE_CHECKING:
    import pandas as pd


def table(summary: Summary) -> pd.DataFrame:
    """The report as a data frame; columns as in the module's documentation."""
    import pandas as pd

    records = [*(_record(summary, row, "task") for row in summary.rows), _record(summary, summary.total, "suite")]
    return pd.DataFrame(records).astype({"episodes_asked": "Int64"})


def write(summary: Summary, out: Path) -> list[Path]:
    """Write ``report.csv`` into the folder `out`.

    Raises:
        UsageError: it cannot be written.
    """
    return [write_text(out, "report.csv", table(summary).to_csv(index=False, lineterminator="\n"))]


def _record(summary: Summary, row: Row, level: str) -> dict[str, Any]:
    return {
        "level": level,
        "suite": row.suite,
        "task": row.task,
        "policy": summary.policy,
        "checkpoint": summary.provenance.get("Checkpoint", ""),
        "seed": summary.provenance.get("Seed", ""),
        "fingerprint": summary.provenance.get("Protocol fingerprint", ""),
        "not_real": " ".join(summary.not_real),
        "episodes_asked": row.asked,
        "episodes": row.episodes,
        "completed": row.completed,
        "successes": row.successes,
        "errors": row.errors,
        "rate": row.rate,
        "rate_low": row.low,
        "rate_high": row.high,
        "rate_all": row.rate_all,
        "rate_task_mean": summary.task_mean if level == "suite" else math.nan,
        "steps_mean": row.steps,
        "steps_success_mean": row.steps_success,
        "queries": row.queries,
        "latency_p50_ms": row.latency_p50,
        "latency_p95_ms": row.latency_p95,
        "seconds_mean": row.seconds,
    }
