"""What an answer takes: tokens by their kind, parameters, and the same passes with nothing drawn in between."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mmact_eval.policies.llada.logits import Batch, Codes, block_logits
from mmact_eval.policies.llada.quantizer import Quantizer
from mmact_eval.policies.llada.schedule import uncovered_at
from mmact_eval.policies.llada.transformer import MaskedTokenPredictor
from mmact_eval.policies.llada.vocabulary import BOS, MASK, PAD, Vocabulary
from mmact_eval.types import AnswerCost, TokenPasses


def token_kinds(ids: NDArray[np.int64], words: Vocabulary) -> dict[str, int]:
    """Kind → tokens of a sequence (L,): pictures, text, numbers, masks (what is to be filled in), marks and pads."""
    pictures = (ids >= words.image_offset) & (ids < words.image_offset + words.codebook)
    numbers = (ids >= words.action_offset) & (ids < words.action_offset + words.bins)
    kinds = {
        "pictures": pictures,
        "text": ids < words.special(BOS),
        "numbers": numbers,
        "masks": ids == words.special(MASK),
        "pads": ids == words.special(PAD),
    }
    counts = {kind: int(found.sum()) for kind, found in kinds.items()}
    counts["marks"] = len(ids) - sum(counts.values())
    return {kind: count for kind, count in counts.items() if count}


def answer_cost(predictor: nn.Module, quantizer: nn.Module, sequences: Sequence[TokenPasses]) -> AnswerCost:
    """With the parameters of the transformer and of the image tokenizer."""
    parts = {"transformer": predictor, "image tokenizer": quantizer}
    return AnswerCost(
        {name: sum(weight.numel() for weight in part.parameters()) for name, part in parts.items()}, tuple(sequences)
    )


def rehearse_blocks(predictor: MaskedTokenPredictor, batch: Batch, blocks: Sequence[Codes], passes: int) -> None:
    """So many passes that fill in blocks of codes, of which nothing becomes known."""
    unknown = torch.full_like(batch.block, -1).split([block.length for block in blocks], dim=1)
    ask = block_logits(predictor, batch, blocks)
    for _ in range(passes):
        ask(unknown)


def rehearse_text(predictor: MaskedTokenPredictor, batch: Batch, steps: int) -> None:
    """The passes that write a text: the logits of what is not written yet, which is less at each step."""
    count, block = batch.block.shape
    left = block
    for step in range(1, steps + 1):
        hidden = predictor(batch.with_block(torch.full_like(batch.block, batch.mask_id)), batch.attention, batch.block)
        predictor.logits(hidden[:, :left].reshape(count * left, -1))
        left -= uncovered_at(step, steps, block)


def rehearse_encoding(quantizer: Quantizer, pictures: int) -> None:
    """Encode so many pictures, one at a time as the models do."""
    side = quantizer.config.side
    for _ in range(pictures):
        pixels = torch.zeros(1, 3, side, side, device=_device(quantizer))
        quantizer.quantize.codes(quantizer.encoder(pixels))


def rehearse_decoding(quantizer: Quantizer, pictures: int) -> None:
    """Decode so many pictures, one at a time."""
    for _ in range(pictures):
        codes = torch.zeros(1, quantizer.config.grid**2, dtype=torch.long, device=_device(quantizer))
        quantizer.decoder(quantizer.quantize.vectors(codes).contiguous())


def _device(module: nn.Module) -> torch.device:
    return next(module.parameters()).device
