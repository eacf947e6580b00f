"""How many simulator processes this machine bears."""

from __future__ import annotations

from mmact_eval.machine.capacity import usable_cores, usable_memory
from mmact_eval.machine.processes import memory_left_gib
from mmact_eval.wording import counted

_KEPT = 1.0
"""GiB that are left to everybody else."""


def fitting(each_gib: float) -> tuple[int, str]:
    """As many as there are cores for, and memory if it is known what one takes; one at least.

    Args:
        each_gib: memory of a worker, GiB; 0 if nobody knows.

    Returns:
        The number, and why it is that, in words.
    """
    cores = usable_cores()
    left = memory_left_gib()
    told = f"as many as there are cores ({cores})"
    if not each_gib or left is None:
        return cores, told
    left = min(left, usable_memory() / 2**30)
    room = max(1, int((left - _KEPT) / each_gib))
    if room >= cores:
        return cores, told
    return (
        room,
        f"{counted(cores, 'core')}, but memory for {room} ({left:.1f} GiB are left, one takes about {each_gib:g})",
    )
