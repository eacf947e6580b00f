"""Progress for people: success rates so far and the time left; a live bar on a terminal, a line a minute in a log."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TextIO

from tqdm import tqdm

from mmact_eval.engine.limits.running_clock import running_seconds
from mmact_eval.types import EpisodeResult
from mmact_eval.wording import counted, duration

EVERY = 60.0
"""Seconds between two lines where there is no terminal."""


class Progress:
    """One bar for one run or several. Use as a context manager."""

    def __init__(
        self,
        runs: Mapping[str, tuple[int, Sequence[EpisodeResult]]],
        stream: TextIO | None = None,
        bar: bool = True,
        clock: Callable[[], float] = running_seconds,
    ) -> None:
        """
        Args:
            runs: by name, how many episodes there are, finished ones included, and the results that were there
                already. A run alone is shown without its name.
            stream: where the bar goes; standard error if None.
            bar: whether there is one, or lines in its place if the stream is no terminal.
            clock: seconds; those in which the process stood still tell nothing of the time left.
        """
        self._stream = stream or sys.stderr
        self._lines = bar and not self._stream.isatty()
        self._clock = clock
        self._began = self._last_line = clock()
        self._advanced = 0
        self._runs = {name: ArmProgress(self, name * (len(runs) > 1), done) for name, (_, done) in runs.items()}
        self._total = sum(total for total, _ in runs.values())
        self._before = sum(len(done) for _, done in runs.values())
        self._bar = tqdm(
            total=self._total,
            initial=self._before,
            unit="ep",
            file=self._stream,
            disable=self._lines or not bar,
            dynamic_ncols=True,
            smoothing=0.1,
        )

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        with contextlib.suppress(OSError):
            self._bar.close()

    def of(self, name: str) -> ArmProgress:
        """A run's part of the bar."""
        return self._runs[name]

    def advance(self) -> None:
        """One more episode is over."""
        told = ", ".join(run.told for run in self._runs.values())
        self._advanced += 1
        if self._lines:
            self._line(told)
            return
        self._bar.set_postfix_str(told, refresh=False)
        with contextlib.suppress(OSError):  # the terminal may be gone: the run goes on
            self._bar.update()

    def say(self, text: str) -> None:
        """Print a line without breaking the bar."""
        with contextlib.suppress(OSError):
            self._bar.write(text, file=self._stream)

    def _line(self, told: str) -> None:
        """For logs: where the run is, if the last time is long enough ago."""
        now, left = self._clock(), self._total - self._before - self._advanced
        if now - self._last_line < EVERY or not left:
            return
        self._last_line = now
        time_left = duration((now - self._began) / self._advanced * left)
        self.say(f"{self._total - left} of {counted(self._total, 'episode')}, about {time_left} left; {told}")


class ArmProgress:
    """Counts one run's results as they come.

    Attributes:
        done: episodes that are over, those that were before included.
        advanced: of these, those that came to their end since the start.
    """

    def __init__(self, whole: Progress, name: str, done: Sequence[EpisodeResult]) -> None:
        """
        Args:
            whole: the bar.
            name: how the run is told from others, "" if there are none.
            done: results that were there already.
        """
        self._whole = whole
        self._name = name
        self.done = len(done)
        self.advanced = 0
        self._successes = sum(result.outcome == "success" for result in done)
        self._completed = sum(result.outcome != "error" for result in done)
        self._errors = 0
        self._staged = any(result.stages for result in done)
        self._solved = sum(result.stages_solved for result in done if result.outcome != "error")

    @property
    def told(self) -> str:
        """The success rate so far in words, and the average length where episodes have stages; of one run among
        several only these."""
        rate = f"{100 * self._successes / self._completed:.1f} %" if self._completed else "–"
        length = f", length {self._solved / self._completed:.2f}" if self._staged and self._completed else ""
        errors = f", {self._errors} errors" if self._errors else ""
        if self._name:
            more = f"{length}{errors}"
            return f"{self._name} {rate}" + (f" ({more[2:]})" if more else "")
        return f"success {rate} ({self._successes}/{self._completed}{errors}){length}"

    def update(self, result: EpisodeResult) -> None:
        """One more episode is over."""
        self.done += 1
        self.advanced += 1
        self._successes += result.outcome == "success"
        self._completed += result.outcome != "error"
        self._errors += result.outcome == "error"
        self._staged |= bool(result.stages)
        self._solved += result.stages_solved if result.outcome != "error" else 0
        self._whole.advance()

    def say(self, text: str) -> None:
        """Print a line without breaking the bar."""
        self._whole.say(f"{self._name}: {text}" if self._name else text)
