"""The most memory that was held, by the process and by PyTorch on GPUs."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

from mmact_eval.profiling.row import Memory

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_FORGET_PEAK = "5"
"""What Linux takes for: from now on, the peak is what it is now."""


class PeakMemory:
    """Looks at the peak from when it was made.

    Args:
        torch: PyTorch, if the policy uses it.
    """

    def __init__(self, torch: Any) -> None:
        self._gpus = range(torch.cuda.device_count()) if torch is not None and torch.cuda.is_initialized() else range(0)
        self._torch = torch
        for device in self._gpus:
            torch.cuda.reset_peak_memory_stats(device)
        try:
            _CLEAR.write_text(_FORGET_PEAK)
            self._since_start = _high_water() is None
        except OSError:
            self._since_start = True

    def now(self) -> Memory:
        """The peak up to now."""
        gpu = None
        if self._gpus:
            gpu = sum(self._torch.cuda.max_memory_allocated(device) for device in self._gpus) / 2**20
        high = None if self._since_start else _high_water()
        if high is None:
            high = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return Memory(round(high, 1), self._since_start, None if gpu is None else round(gpu, 1))


def _high_water() -> float | None:
    """MiB, from the kernel; None where it does not tell."""
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    found = [int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")]
    return found[0] if found else None
