"""What a run came to, and how two compare."""

from __future__ import annotations

import html
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmact_eval.errors import UsageError
from mmact_eval.results import reporting
from mmact_eval.results.metrics.collecting import column
from mmact_eval.results.report_data import Report
from mmact_eval.results.summary import Summary
from mmact_eval.results.terminal_table import text_table
from mmact_eval.results.verdict import Verdict, compare_runs
from mmact_eval.runs.request import RunOutcome
from mmact_eval.types import EpisodeResult
from mmact_eval.wording import counted

if TYPE_CHECKING:
    import pandas as pd

    from mmact_eval.results.pairing import Pairing


@dataclass(frozen=True, repr=False, eq=False)
class Results:
    """What a run came to, read from its folder: all that is in it, also of earlier calls.

    Equal to itself alone; whether two runs came to the same is what `compare` tells.

    Attributes:
        folders: the run folder, or several that are parts of one run.
        outcome: of the run that has just ended; None for results that were loaded.
    """

    folders: tuple[Path, ...]
    outcome: RunOutcome | None = None
    _scratch: Any = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, outcome: RunOutcome, scratch: object = None) -> Results:
        """The results of a run that has just ended.

        Args:
            outcome: the run's.
            scratch: kept as long as these results are.
        """
        return cls((outcome.folder,), outcome, scratch)

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.folders[0]

    @cached_property
    def as_report(self) -> Report:
        """Everything a report shows."""
        return reporting.read_report(self.folders, ["run"] * len(self.folders) if len(self.folders) > 1 else ())

    @property
    def summary(self) -> Summary:
        """Rates with intervals, of each task and of the suite."""
        return self.as_report.runs[0].summary

    @property
    def episodes(self) -> Sequence[EpisodeResult]:
        """All results, errors included."""
        return self.as_report.runs[0].run.results

    @property
    def success_rate(self) -> float:
        """Of completed episodes, 0 to 1; NaN if none is."""
        return self.summary.total.rate

    @property
    def interval(self) -> tuple[float, float]:
        """Exact 95 % interval of the success rate."""
        return self.summary.total.low, self.summary.total.high

    @property
    def errors(self) -> Sequence[EpisodeResult]:
        """Episodes that ended in an error: neither successes nor failures."""
        return self.summary.errors

    def table(self) -> pd.DataFrame:
        """A row for each task and one, ``task == ""``, for the suite. Counts, then every metric by its key, with its
        interval as ``KEY_low`` and ``KEY_high`` where it has one: the columns of ``report.csv``."""
        import pandas as pd

        rows = []
        keys = {metric.key for metric in self.summary.metrics}
        for row in (*self.summary.rows, self.summary.total):
            counts = {name: getattr(row, name) for name in ("episodes", "completed", "successes", "errors")}
            cells: dict[str, Any] = {"suite": row.suite, "task": row.task, "episodes_asked": row.asked, **counts}
            for key, found in row.measures.items():
                cells[key] = found.value
                if not math.isnan(found.low):
                    cells |= {column(key, "low", keys): found.low, column(key, "high", keys): found.high}
            rows.append(cells)
        return pd.DataFrame(rows)

    def episodes_table(self) -> pd.DataFrame:
        """A row for each episode: task, init_state, seed, outcome, steps, queries, hashes, seconds, error, figures; and
        ``stages_solved`` where episodes have stages."""
        import pandas as pd

        columns = ["outcome", "steps", "queries", "scene_hash", "final_hash", "seconds", "error_kind", "error"]
        columns += ["stages_solved"] if self.summary.stages > 1 else []
        return pd.DataFrame(
            [
                {
                    "task": result.episode.task,
                    "init_state": result.episode.init_state,
                    "seed": result.episode.seed,
                    **{name: getattr(result, name) for name in columns},
                    **result.figures,
                }
                for result in self.episodes
            ]
        )

    def sub_tasks_table(self) -> pd.DataFrame:
        """Where episodes have stages: a row for each sub-task, with how often it was asked in completed episodes, how
        often it was solved, and its rate with the exact interval: sub_task, attempted, solved, rate, rate_low,
        rate_high."""
        import pandas as pd

        rows = [(of.name, of.attempted, of.solved, of.measured) for of in self.summary.sub_tasks]
        return pd.DataFrame(
            [(name, attempted, solved, rate.value, rate.low, rate.high) for name, attempted, solved, rate in rows],
            columns=["sub_task", "attempted", "solved", "rate", "rate_low", "rate_high"],
        )

    def compare(
        self, other: Results, *, allow: str | Collection[str] = (), margin: float = 0.05, alpha: float = 0.05
    ) -> Comparison:
        """Judge the other by these, on the episodes that both completed: is `other` better, equal or worse?

        Args:
            other: results on the same suite.
            allow: fields of the protocol that may differ, such as ``protocol.replan``.
            margin: loss of success rate that must be excluded, 0 to 1 (not percentage points).
            alpha: level of the test, in (0, 1).

        Raises:
            UsageError: they are of two suites, or a number is out of its range.
        """
        if not 0.0 < margin <= 1.0:
            raise UsageError(f"margin must be above 0 and at most 1, not {margin:g}: 0.05 is 5 points.")
        if not 0.0 < alpha < 1.0:
            raise UsageError(f"alpha must be between 0 and 1, not {alpha:g}.")
        allowed = (allow,) if isinstance(allow, str) else tuple(allow)
        folders = [*self.folders, *other.folders]
        names = ["A"] * len(self.folders) + ["B"] * len(other.folders)
        compared = compare_runs(folders, names, allowed, margin, alpha)
        return Comparison(compared.pairing, compared.verdict)

    def report(self, *formats: str, out: str | Path | None = None) -> list[Path]:
        """Write reports and return their files.

        Args:
            formats: ``html``, ``markdown``, ``csv``, …: see ``mmact-eval list reports``.
            out: a folder; None for the run folder, which is deleted with the results if none was asked for.
        """
        return reporting.write_reports(
            self.as_report, Path(out) if out is not None else self.folder, formats or ("html",)
        )

    def __repr__(self) -> str:
        total, (low, high) = self.summary.total, self.interval
        rate = f"{100 * total.rate:.1f} % ({100 * low:.1f}–{100 * high:.1f} %)" if total.completed else "none completed"
        errors = f", {counted(total.errors, 'error')}" if total.errors else ""
        return f"Results({self.summary.suite}, {total.successes} of {total.completed}: {rate}{errors}; {self.folder})"

    def __str__(self) -> str:
        return text_table(self.summary).strip("\n")

    def _repr_html_(self) -> str:
        """For notebooks."""
        return f"<pre>{html.escape(str(self))}</pre>"


@dataclass(frozen=True)
class Comparison:
    """Two runs on the same episodes; all differences are second minus first.

    Attributes:
        pairing: the pairs, with counts, p-value and interval.
        verdict: better, equal, regression, underpowered or not comparable, with reasons.
    """

    pairing: Pairing
    verdict: Verdict

    @property
    def difference(self) -> float:
        """Of the success rates, -1 to 1."""
        return self.pairing.counts.difference

    def __str__(self) -> str:
        return "\n".join([self.verdict.kind, *(f"  {reason}" for reason in self.verdict.reasons)])
