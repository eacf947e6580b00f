"""Random numbers of decoding that come from outside, to compare with another implementation draw by draw."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Draw = Callable[[str, str, int, tuple[int, ...]], NDArray[np.float32]]
"""``draw(kind, block, step, shape)``, asked for in the order of the released code.

kind ``sample``, shape (N, codes): exponentially distributed numbers e; the token is the argmax of p / e, which is how
PyTorch's ``multinomial`` draws one. kind ``keep``, shape (N,): numbers u in [0, 1); -log(-log u) is added to the
confidence. block is ``action`` or ``goal``, step begins at 0.
"""


class GivenDraws:
    """Such a function as `decoding.Draws`, for one example."""

    def __init__(self, draw: Draw, device: torch.device) -> None:
        self._draw = draw
        self._device = device

    def exponential(self, block: str, step: int, *shape: int) -> Tensor:
        """(1, *shape) float32."""
        return self._tensor("sample", block, step, shape)

    def uniform(self, block: str, step: int, *shape: int) -> Tensor:
        """(1, *shape) float32."""
        return self._tensor("keep", block, step, shape)

    def _tensor(self, kind: str, block: str, step: int, shape: tuple[int, ...]) -> Tensor:
        numbers = np.asarray(self._draw(kind, block, step, shape), np.float32)
        if numbers.shape != shape:
            raise ValueError(f"draws for {kind} of {block} at step {step} have shape {numbers.shape}, wanted {shape}")
        return torch.from_numpy(numbers)[None].to(self._device)
