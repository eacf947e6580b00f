"""What decoding asks the model: the logits of a block, given what is known of it so far."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mmact_eval.policies.llada.decoding import UNKNOWN
from mmact_eval.policies.llada.transformer import MaskedTokenPredictor
from mmact_eval.policies.mmact.packing import Batch


def unknown_block(batch: Batch) -> Tensor:
    """Codes of a block of which nothing is known: (B, N)."""
    return torch.full_like(batch.block, UNKNOWN)


def code_logits(predictor: MaskedTokenPredictor, batch: Batch, offset: int, size: int) -> Callable[[Tensor], Tensor]:
    """Codes of a block (B, N), `UNKNOWN` where masked → logits (B, N, size) of the ids from `offset` on."""

    def logits(codes: Tensor) -> Tensor:
        ids = batch.with_block(torch.where(codes == UNKNOWN, batch.mask_id, codes + offset))
        return predictor.logits(predictor(ids, batch.attention, batch.block), slice(offset, offset + size))

    return logits


def text_logits(predictor: MaskedTokenPredictor, batch: Batch) -> Callable[[Tensor, Tensor], Tensor]:
    """Ids of a block (B, N) and a bool selection of M of them → logits (M, vocabulary) of the selected."""

    def logits(tokens: Tensor, selected: Tensor) -> Tensor:
        hidden = predictor(batch.with_block(tokens), batch.attention, batch.block)
        return predictor.logits(hidden[selected])

    return logits


def guided(
    wanted: Callable[..., Tensor], unwanted: Callable[..., Tensor] | None, guidance: float
) -> Callable[..., Tensor]:
    """Logits moved away from others: (1 + g) · wanted − g · unwanted; as they are if there are no others."""
    if unwanted is None:
        return wanted
    other = unwanted
    return lambda *known: (1.0 + guidance) * wanted(*known).float() - guidance * other(*known).float()
