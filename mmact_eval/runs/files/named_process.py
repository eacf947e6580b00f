"""How a process is named in files, ``process 12 on node7 since …``, and what such a name tells."""

from __future__ import annotations

import datetime
import os
import platform
import re
from dataclasses import dataclass

_LARGEST = 2**31 - 1
"""Of the numbers that a kernel can give to a process."""


@dataclass(frozen=True)
class NamedProcess:
    """A process, by its number on its host."""

    number: int
    host: str

    @property
    def is_of_here(self) -> bool:
        """Whether its host is called as this one."""
        return self.host == platform.node()

    def is_there(self) -> bool:
        """Whether this machine has a process of that number, be it somebody else's."""
        try:
            os.kill(self.number, 0)
        except ProcessLookupError:
            return False
        except OSError:
            pass
        return True


def this_process() -> str:
    """How this process is named: ``process 12 on node7 since 2026-01-31T12:00:00+00:00``."""
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    return f"process {os.getpid()} on {platform.node()} since {now}"


def named_process(text: str) -> NamedProcess | None:
    """The process that a text begins with; None if that is no name, or of a number that no process can have."""
    found = re.match(r"process (\d{1,10}) on (\S+)", text, re.ASCII)
    if found is None or not 0 < int(found[1]) <= _LARGEST:
        return None
    return NamedProcess(int(found[1]), found[2])
