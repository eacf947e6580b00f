"""Progress for people: a bar with the live success rate and the time left; quiet when nobody watches a terminal."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TextIO

from tqdm import tqdm

from mmact_eval.types import EpisodeResult


class Progress:
    """Counts results as they come. Use as a context manager."""

    def __init__(self, total: int, done: list[EpisodeResult], stream: TextIO | None = None) -> None:
        """
        Args:
            total: episodes of the run, finished ones included.
            done: results that were there already.
            stream: where the bar goes; standard error if None.
        """
        self._stream = stream or sys.stderr
        self._successes = sum(result.outcome == "success" for result in done)
        self._completed = sum(result.outcome != "error" for result in done)
        self._errors = 0
        self._bar = tqdm(
            total=total,
            initial=len(done),
            unit="ep",
            file=self._stream,
            disable=not self._stream.isatty(),
            dynamic_ncols=True,
            smoothing=0.1,
        )

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._bar.close()

    def update(self, result: EpisodeResult) -> None:
        """One more episode is over."""
        self._successes += result.outcome == "success"
        self._completed += result.outcome != "error"
        self._errors += result.outcome == "error"
        rate = f"{100 * self._successes / self._completed:.1f} %" if self._completed else "–"
        errors = f", {self._errors} errors" if self._errors else ""
        self._bar.set_postfix_str(f"success {rate} ({self._successes}/{self._completed}{errors})", refresh=False)
        self._bar.update()

    def say(self, text: str) -> None:
        """Print a line without breaking the bar."""
        self._bar.write(text, file=self._stream)
