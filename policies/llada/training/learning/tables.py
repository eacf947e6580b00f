"""Embeddings that share what they learn: neighbouring numbers, and image codes with the same bits.

A published model has a free row for each of its bins and its 8192 codes, and enough data to learn them one by one. A
small training has not. Here a bin's row is a smooth function of the number it stands for, and a code's row a sum over
its bits, each plus a free part that starts at 0. So is the row of a text token that stands for a number, if a family
has such tokens. What is written to a checkpoint is the table, as published.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from mmact_eval.policies.llada.quantizer import signs
from mmact_eval.policies.llada.transformer import MaskedTokenPredictor
from mmact_eval.policies.llada.vocabulary import Vocabulary

_WAVES = 12
"""Sines and cosines of a number; the finest has this many octaves below the range of 2, or one bin at most."""


class SharedRows(nn.Module):
    """A parametrization of a (vocabulary, width) table; see `torch.nn.utils.parametrize`."""

    def __init__(self, vocabulary: Vocabulary, numbers: Mapping[int, float] = MappingProxyType({})) -> None:
        """
        Args:
            vocabulary: of the table.
            numbers: text tokens that stand for numbers: id → the number in [-1, 1].
        """
        super().__init__()
        self._vocabulary = vocabulary
        bits = max(1, (vocabulary.codebook - 1).bit_length())
        self.register_buffer(
            "_bits", signs(torch.arange(vocabulary.codebook), bits) / math.sqrt(bits), persistent=False
        )
        self.register_buffer("_waves", waves(vocabulary.bins), persistent=False)
        self.register_buffer("_said", _said(vocabulary, numbers) if numbers else None, persistent=False)

    def forward(self, free: Tensor, codes: Tensor, numbers: Tensor, said: Tensor | None = None) -> Tensor:
        """
        Args:
            free: (vocabulary, width), each row's own part.
            codes: (bits, width).
            numbers: (waves, width).
            said: (waves, width) for text tokens that stand for numbers, if there are any.
        """
        words = self._vocabulary
        first, behind = words.image_offset, words.image_offset + words.codebook
        last = words.action_offset + words.bins
        text = free[:first] if said is None else free[:first] + self._said @ said
        rows = [
            text, free[first:behind] + self._bits @ codes, free[behind : words.action_offset],
            free[words.action_offset : last] + self._waves @ numbers, free[last:],
        ]  # fmt: skip
        return torch.cat(rows)

    def right_inverse(self, table: Tensor) -> tuple[Tensor, ...]:
        """Parameters to begin with: what is shared gets the table's scale, what is free of codes and numbers is 0."""
        words = self._vocabulary
        free = table.clone()
        free[words.image_offset : words.image_offset + words.codebook] = 0.0
        free[words.action_offset : words.action_offset + words.bins] = 0.0
        scale = float(table.std())
        width = table.shape[1]
        codes = torch.randn(self._bits.shape[1], width) * scale
        numbers = torch.randn(self._waves.shape[1], width) * scale
        if self._said is None:
            return free, codes, numbers
        free[: words.image_offset][self._said.any(dim=1)] = 0.0
        return free, codes, numbers, torch.randn(self._said.shape[1], width) * scale


def waves(bins: int) -> Tensor:
    """(bins, features) float32 of the numbers that bins stand for; see `_waves_of`."""
    return _waves_of(torch.linspace(-1.0, 1.0, bins))


def _said(vocabulary: Vocabulary, numbers: Mapping[int, float]) -> Tensor:
    """(text tokens, features) float32 of the numbers that they stand for; 0 for those that stand for none."""
    features = _waves_of(torch.tensor(list(numbers.values()), dtype=torch.float32))
    rows = torch.zeros(vocabulary.image_offset, features.shape[1])
    rows[list(numbers)] = features
    return rows


def _waves_of(numbers: Tensor) -> Tensor:
    """(N, features) float32 of N numbers in [-1, 1]: 1, the number, sines, cosines; rows of length 1."""
    octaves = min(_WAVES, max(1, int(math.log2(len(numbers))) - 1))
    turns = numbers[:, None] * math.pi * 2.0 ** torch.arange(octaves)
    # Coarse waves weigh more, so that neighbours begin alike.
    fading = 1.5 ** -torch.arange(octaves, dtype=torch.float32)
    features = torch.cat(
        [torch.ones(len(numbers), 1), numbers[:, None], turns.sin() * fading, turns.cos() * fading], dim=1
    )
    return features / features.square().sum(1, keepdim=True).sqrt()


def share(predictor: MaskedTokenPredictor, numbers: Mapping[int, float]) -> None:
    """Let embedding and head of a predictor share rows; see `SharedRows`."""
    parts = predictor.model["transformer"]
    for name in ("wte", "ff_out"):
        parametrize.register_parametrization(parts[name], "weight", SharedRows(predictor.config.vocabulary, numbers))


def plain_state(predictor: MaskedTokenPredictor) -> dict[str, Tensor]:
    """The tensors of a predictor under their published names, tables written out."""
    found = {}
    for name, tensor in predictor.state_dict().items():
        if ".parametrizations." not in name:
            found[name] = tensor.detach()
    parts = predictor.model["transformer"]
    for name in ("wte", "ff_out"):
        found[f"model.transformer.{name}.weight"] = parts[name].weight.detach()
    return found
