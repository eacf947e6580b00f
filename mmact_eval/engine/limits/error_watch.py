"""When to stop trying: a broken task must not cost the others, and a broken set-up must not cost a night."""

from __future__ import annotations

from collections import Counter

from mmact_eval.errors import RunAborted
from mmact_eval.types import EpisodeResult


class ErrorWatch:
    """Counts errors in a row, task by task.

    Attributes:
        given_up: tasks whose episodes ended in errors, so many in a row.
    """

    def __init__(self, limit: int) -> None:
        """`limit`: errors in a row after which a task is given up."""
        self._limit = limit
        self._in_a_row: Counter[str] = Counter()
        self._any_completed = False
        self.given_up: list[str] = []

    def see(self, result: EpisodeResult) -> bool:
        """Take note of a result.

        Returns:
            Whether the rest of its task should be given up for now.

        Raises:
            RunAborted: the policy broke its contract, or a second task fails and nothing has ever worked.
        """
        task = result.episode.task
        if result.outcome != "error":
            self._any_completed = True
            self._in_a_row[task] = 0
            return False
        if result.error_kind == "contract":
            raise RunAborted(f"{result.error} ({result.episode.key}). Fix the policy, then run the same command again.")
        self._in_a_row[task] += 1
        if self._in_a_row[task] < self._limit or task in self.given_up:
            return False
        self.given_up.append(task)
        if len(self.given_up) > 1 and not self._any_completed:
            raise RunAborted(
                f"{self._limit} episodes in a row of each of {len(self.given_up)} tasks ended in errors and none went "
                f"well, the last with: {result.error} ({result.episode.key}). Mend it, then give the same command "
                "again: errors are tried again."
            )
        return True
