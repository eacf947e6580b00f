"""Prompts of different lengths as one batch of tensors, and what may attend to what in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch

from mmact_eval.policies.llada.logits import Batch
from mmact_eval.policies.llada.vocabulary import MASK, PAD
from mmact_eval.policies.mmact.prompts import Prompt

PadMask = Literal["bool", "additive"]
PAD_MASKS: tuple[PadMask, ...] = ("bool", "additive")


def pack(prompts: Sequence[Prompt], device: torch.device, pad_mask: PadMask = "bool") -> Batch:
    """Put prompts into one batch.

    With ``bool``, nothing may attend to a pad, and so pads are dropped: the same result from fewer tokens. With
    ``additive``, pads stay and pairs of real tokens have 1 added to their score, which is how the mixed-modality
    checkpoints were trained (a mask of ones and zeros that attention took for a bias).

    Args:
        prompts: with blocks of one length and one vocabulary.
    """
    soft = pad_mask == "additive" and not all(prompt.mask.all() for prompt in prompts)
    if not soft:
        prompts = [prompt.without_pads() for prompt in prompts]
    length = max(len(prompt.ids) for prompt in prompts)
    if soft:
        prompts = [prompt.padded_to(length) for prompt in prompts]
    vocabulary = prompts[0].vocabulary
    ids = np.full((len(prompts), length), vocabulary.special(PAD))
    real = np.zeros(ids.shape, dtype=bool)
    for row, prompt in enumerate(prompts):
        ids[row, : len(prompt.ids)] = prompt.ids
        real[row, : len(prompt.ids)] = prompt.mask
    block = np.array([np.arange(prompt.start + 1, prompt.start + 1 + prompt.block) for prompt in prompts])
    attention = None
    if soft:
        bias = torch.from_numpy(real).float()
        attention = (bias[:, None, :, None] * bias[:, None, None, :]).to(device)
    elif not real.all():
        attention = torch.from_numpy(real)[:, None, None, :].to(device)
    tokens, places = torch.from_numpy(ids).to(device), torch.from_numpy(block).to(device)
    return Batch(tokens, attention, places, vocabulary.special(MASK))
