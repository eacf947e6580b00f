"""How many tokens stay masked after each step of decoding, and how the noise in that choice fades."""

from __future__ import annotations

import math

import torch


def masked_after(step: int, steps: int, block: int) -> int:
    """Tokens of a block that the cosine schedule leaves masked after step 1 … `steps`: ⌊block · cos(π/2 · step/steps)⌋.

    Computed in float32, as upstream does: where the cosine should be exactly 1/2, float32 gives a little less, and 27
    of 56 stay masked, not 28. The decoder leaves at least one masked before the last step, and uncovers at least one at
    each.
    """
    ratio = torch.tensor(step / steps, dtype=torch.float32)
    return int((block * torch.cos(ratio * math.pi * 0.5)).floor())


def fading(noise: float, steps: int) -> list[float]:
    """For actions: noise · (1 - step/steps) at each step."""
    return [noise * (1.0 - step / steps) for step in range(1, steps + 1)]


def compounding(noise: float, steps: int) -> list[float]:
    """For images: the same factors, but each on what the last one left."""
    left = []
    for step in range(1, steps + 1):
        noise *= 1.0 - step / steps
        left.append(noise)
    return left


def uncovered_at(step: int, steps: int, block: int) -> int:
    """For text: tokens uncovered at step 1 … `steps`; equal shares, the remainder in the first steps."""
    return block // steps + (1 if step <= block % steps else 0)
