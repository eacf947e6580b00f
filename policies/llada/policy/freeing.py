"""Letting go of a model."""

from __future__ import annotations

import gc

import torch


def free_gpu_memory() -> None:
    """Give back what PyTorch keeps of tensors that nobody has any more; for other processes on the same GPU."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
