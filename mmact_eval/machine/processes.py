"""Memory and processor time of this process and of those it has started, as Linux tells them; nothing elsewhere."""

from __future__ import annotations

import contextlib
import os
import re
import resource
from collections.abc import Iterator
from dataclasses import dataclass

_ENTRY = re.compile(r"from (?:\w+\.)+(\w+) import start")
"""What our own processes run tells what they are: ``worker``, say."""


@dataclass(frozen=True)
class Process:
    """A process, with all that it has started itself.

    Attributes:
        pid: its number.
        kind: what it is for, "" if that is not known.
        memory_mib: resident, MiB.
        cpu_seconds: processor time so far.
    """

    pid: int
    kind: str
    memory_mib: float
    cpu_seconds: float


def own() -> Process | None:
    """This process alone; None if the system does not tell."""
    return _read(os.getpid())


def started() -> list[Process]:
    """The processes that this one has started and that live, by number."""
    found = (_with_descendants(pid) for pid in sorted(_children(os.getpid())))
    return [process for process in found if process is not None]


def high_water_mib(pid: int | None = None) -> float | None:
    """The most memory that a process has had since its program began, MiB; None if the system does not tell.

    Args:
        pid: its number; by default this process.
    """
    file = f"/proc/{pid or 'self'}/status"
    with contextlib.suppress(OSError, ValueError, IndexError), open(file, encoding="ascii", errors="replace") as lines:
        for line in lines:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**10
    return None


def peak_memory_mib() -> float:
    """The most memory that this process has had, MiB.

    `getrusage` is asked last: what it says begins, on Linux, with what the process that started this one had then.
    """
    high = high_water_mib()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10 if high is None else high


def memory_left_gib() -> float | None:
    """What the machine could still give, GiB; None if it does not tell."""
    with contextlib.suppress(OSError, ValueError, IndexError), open("/proc/meminfo", encoding="ascii") as stream:
        for line in stream:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) / 2**20
    return None


def _with_descendants(pid: int) -> Process | None:
    process = _read(pid)
    if process is None:
        return None
    below = [found for child in _children(pid) if (found := _with_descendants(child)) is not None]
    memory = process.memory_mib + sum(one.memory_mib for one in below)
    return Process(pid, process.kind, memory, process.cpu_seconds + sum(one.cpu_seconds for one in below))


def _read(pid: int) -> Process | None:
    """A process that may end while one reads."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            after_name = stream.read().rpartition(b")")[2].split()
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            command = stream.read(4096).decode(errors="replace")
        ticks, pages = int(after_name[11]) + int(after_name[12]), int(after_name[21])
    except (OSError, ValueError, IndexError):
        return None
    entry = _ENTRY.search(command)
    memory = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    return Process(pid, entry[1] if entry else "", memory, ticks / os.sysconf("SC_CLK_TCK"))


def _children(pid: int) -> Iterator[int]:
    """Of all its threads, as any of them may start a process."""
    with contextlib.suppress(OSError, ValueError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as stream:
                yield from map(int, stream.read().split())
