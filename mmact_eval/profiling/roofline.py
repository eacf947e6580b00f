"""What the device can do at most: products of matrices in a second, and bytes moved in a second; both measured."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_SECONDS, _PATIENCE = 0.3, 4.0
"""Seconds of processor time for each product and for the copy, and of the clock if others have the processor."""

_SIDES = {"cpu": (512, 1024, 2048), "cuda": (4096, 8192)}
"""Of the matrices: large ones use all cores well, small ones are done before another program takes the core."""

_COPIED = {"cpu": 128 * 2**20, "cuda": 2**30}
"""Bytes of what is copied: more than caches hold."""

_PIECES = {"cpu": 32, "cuda": 1}
"""In which it is copied, one after the other, each timed by itself; for the same reason."""


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
    like = kind if kind in _SIDES else "cuda"
    with torch.inference_mode():
        products = [_product(torch, device, kind, dtype, side) for side in _SIDES[like]]
        copied = _copied(torch, device, kind, _COPIED[like], _PIECES[like])
    return Roof(device, dtype, threads if kind == "cpu" else None, max(products), copied)


def _product(torch: Any, device: str, kind: str, dtype: str, side: int) -> float:
    """FLOPs a second of the product of two square matrices."""
    left, right = (torch.rand(side, side, device=device).to(getattr(torch, dtype)) for _ in range(2))
    out = torch.empty_like(left)
    return 2.0 * side**3 / _best(torch, kind, lambda: torch.mm(left, right, out=out))


def _copied(torch: Any, device: str, kind: str, size: int, pieces: int) -> float:
    """Bytes a second that are read and written by a copy."""
    source, target = torch.ones(size // 4, device=device), torch.zeros(size // 4, device=device)
    pairs = itertools.cycle(zip(target.chunk(pieces), source.chunk(pieces), strict=True))

    def copy() -> None:
        to, of = next(pairs)
        to.copy_(of)

    return 2.0 * size / pieces / _best(torch, kind, copy)


def _best(torch: Any, kind: str, call: Callable[[], object]) -> float:
    """Seconds of the fastest call; three at least."""
    best, calls = float("inf"), 0
    begin, busy = time.perf_counter(), time.process_time()
    while calls < 3 or (time.process_time() - busy < _SECONDS and time.perf_counter() - begin < _PATIENCE):
        before = time.perf_counter()
        call()
        if kind == "cuda":
            torch.cuda.synchronize()
        calls += 1
        if calls > 1:  # the first one gets memory and chooses kernels
            best = min(best, time.perf_counter() - before)
    return best
