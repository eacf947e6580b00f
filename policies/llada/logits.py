"""What decoding asks the model: the logits of blocks, given what is known of them so far."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mmact_eval.policies.llada.decoding import UNKNOWN
from mmact_eval.policies.llada.transformer import MaskedTokenPredictor
from mmact_eval.policies.llada.vocabulary import MASK


@dataclass(frozen=True)
class Batch:
    """Sequences as tensors.

    Attributes:
        ids: (B, L) int64.
        attention: as `MaskedTokenPredictor.forward` takes it.
        block: (B, N) int64, where the block to be filled in is; several blocks lie in it one after the other.
        mask_id: the id of the mask.
    """

    ids: Tensor
    attention: Tensor | None
    block: Tensor
    mask_id: int = MASK

    def with_block(self, tokens: Tensor) -> Tensor:
        """The ids with other tokens, (B, N), in the block."""
        return self.ids.scatter(1, self.block, tokens)


@dataclass(frozen=True)
class Codes:
    """What a block is made of.

    Attributes:
        length: tokens in the block.
        offset: id of code 0.
        size: codes there are.
    """

    length: int
    offset: int
    size: int


def unknown_block(batch: Batch) -> Tensor:
    """Codes of a block of which nothing is known: (B, N)."""
    return torch.full_like(batch.block, UNKNOWN)


def block_logits(
    predictor: MaskedTokenPredictor, batch: Batch, blocks: Sequence[Codes]
) -> Callable[[Sequence[Tensor]], list[Tensor]]:
    """Codes of each block (B, length), `UNKNOWN` where masked → logits of each, (B, length, size), from one pass."""

    def logits(known: Sequence[Tensor]) -> list[Tensor]:
        shifted = [
            torch.where(codes == UNKNOWN, batch.mask_id, codes + block.offset)
            for codes, block in zip(known, blocks, strict=True)
        ]
        hidden = predictor(batch.with_block(torch.cat(shifted, dim=1)), batch.attention, batch.block)
        parts = hidden.split([block.length for block in blocks], dim=1)
        return [
            predictor.logits(part, slice(block.offset, block.offset + block.size))
            for part, block in zip(parts, blocks, strict=True)
        ]

    return logits


def code_logits(predictor: MaskedTokenPredictor, batch: Batch, offset: int, size: int) -> Callable[[Tensor], Tensor]:
    """Codes of the block (B, N), `UNKNOWN` where masked → logits (B, N, size) of the ids from `offset` on."""
    ask = block_logits(predictor, batch, [Codes(batch.block.shape[1], offset, size)])
    return lambda codes: ask([codes])[0]


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
