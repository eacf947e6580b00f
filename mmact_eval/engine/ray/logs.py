"""The output of workers and replicas, in the logs of the arm that they work for, as with the local engine."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence


class Logs:
    """Writes what was printed elsewhere; a log that cannot be written is no reason not to run."""

    def __init__(self, folders: Sequence[str]) -> None:
        """`folders`: the log folder of each arm, "" for none."""
        self._folders = folders

    @property
    def folder(self) -> str:
        """Where somebody should look, in words."""
        return next(filter(None, self._folders), "the session's folder of Ray")

    def write(self, arm: int, name: str, printed: bytes) -> None:
        """Put it at the end of an arm's log of this name."""
        folder = self._folders[arm] if self._folders else ""
        if printed and folder:
            with contextlib.suppress(OSError):
                os.makedirs(folder, exist_ok=True)
                with open(f"{folder}/{name}", "ab") as file:
                    file.write(printed)
