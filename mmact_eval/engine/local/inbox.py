"""What an engine's processes have said and the engine has not heard yet."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any


class Inbox:
    """Filled by the threads that read the processes' pipes, emptied by the engine's thread."""

    def __init__(self) -> None:
        self._said: deque[tuple[Any, Any]] = deque()
        self._news = threading.Condition()

    def put(self, speaker: Any, message: Any) -> None:
        """Somebody has said something."""
        with self._news:
            self._said.append((speaker, message))
            self._news.notify()

    def taken(self, wait: float) -> list[tuple[Any, Any]]:
        """All that was said, in its order, as pairs of speaker and message; if nothing was, what comes next.

        Args:
            wait: seconds to wait for that, at most.
        """
        with self._news:
            if not self._said and wait:
                self._news.wait(wait)
            said = list(self._said)
            self._said.clear()
        return said

    def has_of(self, speaker: Any) -> bool:
        """Whether this one has said something that was not taken."""
        with self._news:
            return any(said_by is speaker for said_by, _ in self._said)
