"""Evaluation from Python: in a training loop, a notebook, a test.

`evaluate` is what ``mmact-eval run`` does with what was typed; both come to the same run folder and the same `Results`.
"""

from __future__ import annotations

import html
import math
import operator
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic import ValidationError

from mmact_eval import registry
from mmact_eval.config.suite_file import load_suite
from mmact_eval.engine.options import EngineOptions
from mmact_eval.errors import UsageError
from mmact_eval.identity.live_policy import name_of
from mmact_eval.machine.user_folders import expanded
from mmact_eval.observers.video import VideoMode
from mmact_eval.policy_output import json_data
from mmact_eval.protocols import Policy
from mmact_eval.results import reporting
from mmact_eval.results.metrics.collecting import column
from mmact_eval.results.report_data import Report
from mmact_eval.results.summary import Summary
from mmact_eval.results.terminal_table import text_table
from mmact_eval.results.verdict import Verdict, judge
from mmact_eval.runs import runner
from mmact_eval.runs.request import Extension, RunOutcome, RunRequest
from mmact_eval.suite import Suite
from mmact_eval.types import EpisodeResult

if TYPE_CHECKING:
    import pandas as pd

    from mmact_eval.results.pairing import Pairing


def evaluate(
    policy: str | Policy | Callable[..., Policy],
    suite: str | Path | Suite,
    *,
    tasks: str | int | Iterable[str | int] | None = None,
    episodes: int | None = None,
    init_states: str | Iterable[int] | None = None,
    seed: int = 0,
    workers: int = 1,
    out: str | Path | None = None,
    on_episode: Callable[[EpisodeResult], object] | None = None,
    policy_args: Mapping[str, Any] | None = None,
    identity: str = "",
    changes: Mapping[str, Any] | None = None,
    video: VideoMode = "none",
    options: EngineOptions | None = None,
    progress: bool = True,
) -> Results:
    """Evaluate a policy on a suite.

    The policy acts in this process and the simulators run in others, so a model that is being trained is asked where
    it is. May be called any number of times in a process. Ctrl-C ends the workers and raises `KeyboardInterrupt`; what
    was finished is in `out`, and the same call resumes it.

    Args:
        policy: a policy object (``spec``, ``reset``, ``act``: see `mmact_eval.protocols.Policy`), which stays yours and
            is not closed; a class or function that makes one; or a text as on the command line: a registered name,
            ``module:attr``, ``file.py:attr``, ``ws://host:port``.
        suite: a name such as ``libero-object``, the path of a YAML file, or a `Suite`.
        tasks: numbers, names or patterns, or a text such as ``"0,3-5,*milk*"``; None for all.
        episodes: episodes per task; None for the suite's number.
        init_states: numbers, or a text such as ``"0-19"``, in this order; None for all.
        seed: the run's seed.
        workers: worker processes.
        out: the run folder, resumed if it holds part of the same run; None for one that is deleted with the results.
        on_episode: called with each result as it is finished, in this thread; True ends the run there.
        policy_args: keyword arguments for a policy that is made here.
        identity: what a policy object is made of, such as ``"run 7, step 1200"``. Weights in memory cannot be told
            apart by their content, so `out` is only resumed for an object with the same identity.
        changes: fields of the suite, such as ``{"protocol.max_steps": 100}``.
        video: which episodes to keep a video of.
        options: how the engine works; `workers` wins over its number.
        progress: show a bar where somebody watches a terminal.

    Raises:
        UsageError: something asked for does not exist or does not fit; nothing has run.
        RunFolderError: `out` holds another run, or cannot be used.
        RunAborted: the run stopped early; what was done is in `out`.
    """
    made_suite = _suite(suite, changes or {})
    live, name = _policy(policy)
    seed = _whole(seed, "seed")
    episodes = None if episodes is None else _whole(episodes, "episodes", at_least=1)
    if video not in get_args(VideoMode):
        raise UsageError(f'video is one of {", ".join(get_args(VideoMode))}, not "{video}".')
    if live is None and identity:
        raise UsageError("identity is for a policy object; what is made here is known by its content.")
    if registry.is_policy(live) and policy_args:
        raise UsageError("policy_args are for a policy that is made here; this one is made already.")
    if out is not None and not str(out):
        raise UsageError("out is empty; None means a folder that is deleted with the results.")
    scratch = _Scratch() if out is None else None
    request = RunRequest(
        suite=made_suite,
        overrides=tuple(f"{key}={value}" for key, value in (changes or {}).items()),
        policy=name,
        policy_args=dict(policy_args or {}),
        live=live,
        identity=identity,
        tasks=_as_typed(tasks, "tasks"),
        episodes=episodes,
        init_states=_as_typed(init_states, "init_states"),
        seed=seed,
        out=Path(scratch.name) / "run" if scratch else expanded(str(out)),
        video=video,
        options=_with_workers(options, workers),
        extension=Extension(enough=_heard_by(on_episode)),
        progress=progress,
    )
    return Results.of(runner.execute(request), scratch)


def load_results(folders: str | Path | Sequence[str | Path]) -> Results:
    """The results of a run folder, or of several that are parts of one run.

    Raises:
        RunFolderError: it is no run folder, cannot be read or contradicts itself.
        UsageError: several that were made differently.
    """
    given = [folders] if isinstance(folders, str | Path) else folders
    paths = [expanded(folder).absolute() for folder in given]  # whatever becomes the working folder
    if not paths:
        raise UsageError("load_results takes the folder of a run.")
    return Results(tuple(paths))


@dataclass(frozen=True, repr=False)
class Results:
    """What a run came to, read from its folder: all that is in it, also of earlier calls.

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
        """A row for each episode: task, init_state, seed, outcome, steps, queries, hashes, seconds, error, figures."""
        import pandas as pd

        columns = ("outcome", "steps", "queries", "scene_hash", "final_hash", "seconds", "error_kind", "error")
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
        report = reporting.read_report(folders, names, allowed)
        if len(report.suites) > 1:
            first, second = report.suites
            raise UsageError(f"these are results on two suites: {first.suite} and {second.suite}.")
        (pairing,) = report.suites[0].pairings
        return Comparison(pairing, judge(pairing, margin, alpha))

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
        errors = f", {total.errors} errors" if total.errors else ""
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


class _Scratch:
    """A temporary folder that goes with this object. A forked process leaves it to the one that made it."""

    def __init__(self) -> None:
        self.name = tempfile.mkdtemp(prefix="mmact-eval-")
        weakref.finalize(self, _remove, self.name, os.getpid())


def _remove(folder: str, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def _suite(suite: str | Path | Suite, changes: Mapping[str, Any]) -> Suite:
    if not isinstance(suite, Suite):
        return load_suite(str(suite), changes={str(key): json_data(value) for key, value in changes.items()})
    if changes:
        raise UsageError("changes are for a suite that is loaded here; change the Suite itself (model_copy).")
    try:
        return Suite.model_validate(
            suite.model_dump(warnings=False)
        )  # `model_copy` has not looked at what it was given
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise UsageError(f"the suite's {'.'.join(map(str, first['loc']))}: {first['msg']}.") from error


def _policy(policy: str | Policy | Callable[..., Policy]) -> tuple[Policy | Callable[..., Policy] | None, str]:
    """What is no text, and a name for it."""
    if isinstance(policy, str):
        return None, policy
    if not registry.is_policy(policy) and not callable(policy):
        raise UsageError(
            f"{type(policy).__name__} is no policy: it needs `spec`, `reset(episodes)` and `act(queries)` (see "
            "mmact_eval.protocols.Policy), or must make one when it is called."
        )
    return policy, name_of(policy)


def _as_typed(chosen: str | int | Iterable[str | int] | None, what: str) -> str | None:
    """As on the command line.

    Raises:
        UsageError: nothing is chosen, or a name cannot be told from two.
    """
    if chosen is None or isinstance(chosen, str):
        return chosen
    parts = [str(part) for part in chosen] if isinstance(chosen, Iterable) else [str(chosen)]
    if not "".join(parts):
        raise UsageError(f"{what} is empty; None means all.")
    odd = [part for part in parts if "," in part]
    if odd:
        raise UsageError(f'{what}: "{odd[0]}" has a comma; name it by its number, or by a pattern with a ?.')
    return ",".join(parts)


def _whole(number: int, what: str, at_least: int | None = None) -> int:
    """As an `int`, of numpy's kinds too.

    Raises:
        UsageError: it is no whole number, or too small.
    """
    try:
        found = operator.index(number)
    except TypeError:
        raise UsageError(f"{what} must be a whole number, not {number!r}.") from None
    if at_least is not None and found < at_least:
        raise UsageError(f"{what} must be at least {at_least}, not {found}.")
    return found


def _with_workers(options: EngineOptions | None, workers: int) -> EngineOptions:
    from dataclasses import replace

    return replace(options or EngineOptions(), workers=_whole(workers, "workers", at_least=1))


def _heard_by(on_episode: Callable[[EpisodeResult], object] | None) -> Callable[[EpisodeResult], bool]:
    """Only True ends a run: a callback that happens to return something else does not."""
    return lambda result: on_episode is not None and on_episode(result) is True
