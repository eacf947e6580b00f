"""The most memory that was held, by the process and by PyTorch on GPUs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmact_eval.machine.processes import high_water_mib, peak_memory_mib
from mmact_eval.profiling.row import Memory

_CLEAR = Path("/proc/self/clear_refs")
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
            self._since_start = high_water_mib() is None
        except OSError:
            self._since_start = True

    def now(self) -> Memory:
        """The peak up to now."""
        gpu = None
        if self._gpus:
            gpu = sum(self._torch.cuda.max_memory_allocated(device) for device in self._gpus) / 2**20
        return Memory(round(peak_memory_mib(), 1), self._since_start, None if gpu is None else round(gpu, 1))
