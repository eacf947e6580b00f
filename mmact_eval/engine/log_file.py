"""The package's log (tracebacks of policies, mostly) in an arm's file instead of the terminal."""

from __future__ import annotations

import logging
from types import TracebackType


class LogFile:
    """Within its `with` blocks, what the package logs goes to a file. The file appears with its first line."""

    def __init__(self, path: str) -> None:
        """`path`: the file; "" for none: nothing is changed."""
        self._path = path
        self._logger = logging.getLogger("mmact_eval")
        self._handler: logging.Handler
        self._before = True

    def __enter__(self) -> LogFile:
        if self._path:
            self._handler = logging.FileHandler(self._path, encoding="utf-8", delay=True)
            self._handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
            self._before, self._logger.propagate = self._logger.propagate, False
            self._logger.addHandler(self._handler)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        if self._path:
            self._logger.removeHandler(self._handler)
            self._handler.close()
            self._logger.propagate = self._before
