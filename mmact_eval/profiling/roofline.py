"""What the device can do at most: products of matrices in a second, and bytes moved in a second; both measured."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_SECONDS = 0.3
"""For each product, and for the copy."""

_SIDES = {"cpu": (512, 1024, 2048), "cuda": (4096, 8192)}
"""Of the matrices: large ones use all cores well, small ones are done before another program takes the core."""

_COPIED = {"cpu": 64 * 2**20, "cuda": 2**30}
"""Bytes of what is copied: more than caches hold."""


@dataclass(frozen=True)
class Roof:
    """A device's limits with a number of threads, for one type of numbers.

    Attributes:
        device: as PyTorch calls it.
        dtype: of the matrices.
        threads: of PyTorch on the CPU; None on a GPU, where they do not matter.
        flops_per_s: of the best product of two square matrices.
        bytes_per_s: of the best copy; reading and writing count.
    """

    device: str
    dtype: str
    threads: int | None
    flops_per_s: float
    bytes_per_s: float

    @property
    def name(self) -> str:
        """``cpu, 2 threads, float32``."""
        threads = [] if self.threads is None else [f"{self.threads} thread{'' if self.threads == 1 else 's'}"]
        return ", ".join([self.device, *threads, self.dtype])

    def attainable(self, intensity: float) -> float:
        """FLOPs a second at so many FLOPs for a byte."""
        return min(self.flops_per_s, intensity * self.bytes_per_s)


def measure_roof(torch: Any, device: str, dtype: str, threads: int | None) -> Roof:
    """Measure for a second or two.

    Args:
        torch: PyTorch.
        device: ``cpu``, ``cuda:0`` and the like.
        dtype: of the matrices.
        threads: those that PyTorch has now; for the record.
    """
    kind = device.partition(":")[0]
    sides, copied = _SIDES.get(kind, _SIDES["cuda"]), _COPIED.get(kind, _COPIED["cuda"])
    with torch.inference_mode():
        products = [_product(torch, device, kind, dtype, side) for side in sides]
        source, target = torch.ones(copied // 4, device=device), torch.zeros(copied // 4, device=device)
        copy = _best(torch, kind, lambda: target.copy_(source))
    return Roof(device, dtype, threads if kind == "cpu" else None, max(products), 2.0 * copied / copy)


def _product(torch: Any, device: str, kind: str, dtype: str, side: int) -> float:
    """FLOPs a second of the product of two square matrices."""
    left, right = (torch.rand(side, side, device=device).to(getattr(torch, dtype)) for _ in range(2))
    out = torch.empty_like(left)
    return 2.0 * side**3 / _best(torch, kind, lambda: torch.mm(left, right, out=out))


def _best(torch: Any, kind: str, call: Callable[[], object]) -> float:
    """Seconds of the fastest call; three at least."""
    best, calls, begin = float("inf"), 0, time.perf_counter()
    while calls < 3 or time.perf_counter() - begin < _SECONDS:
        before = time.perf_counter()
        call()
        if kind == "cuda":
            torch.cuda.synchronize()
        calls += 1
        if calls > 1:  # the first one gets memory and chooses kernels
            best = min(best, time.perf_counter() - before)
    return best
