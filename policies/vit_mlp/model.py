"""The network: a small vision transformer looks at each view, an MLP makes a chunk of actions of what it saw."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmact_eval.policies.llada.transformer import mix
from mmact_eval.policies.vit_mlp.config import DIM, ModelConfig, Size
from mmact_eval.policies.vit_mlp.words import SPECIAL


class Block(nn.Module):
    """Attention and MLP, each behind a norm and added to the stream."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.heads = size.heads
        self.attention_norm = nn.LayerNorm(size.width)
        self.qkv = nn.Linear(size.width, 3 * size.width)
        self.attention_out = nn.Linear(size.width, size.width)
        self.mlp_norm = nn.LayerNorm(size.width)
        self.mlp_in = nn.Linear(size.width, size.mlp)
        self.mlp_out = nn.Linear(size.mlp, size.width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, width) → the same."""
        query, key, value = self.qkv(self.attention_norm(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        x = x + self.attention_out(mix(query, key, value, None).transpose(1, 2).flatten(2))
        return x + self.mlp_out(functional.gelu(self.mlp_in(self.mlp_norm(x))))


class VitMlp(nn.Module):
    """A view's sequence is its readouts, the state, the words of the instruction and its patches; all see all.

    Views share every weight but one embedding each, and do not see each other before the MLP: twice as many cost twice
    as much. Patches are embedded by three convolutions rather than by one, after Xiao et al. (arXiv 2106.14881), who
    found that transformers learn sooner so.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        size, width = config.size, config.size.width
        last = size.patch // 4
        self.patches = nn.Sequential(
            nn.Conv2d(3, width // 4, 3, stride=2, padding=1), nn.GELU(),
            nn.Conv2d(width // 4, width // 2, 3, stride=2, padding=1), nn.GELU(),
            nn.Conv2d(width // 2, width, last, stride=last),
        )  # fmt: skip
        self.words = nn.Embedding(SPECIAL + len(config.words), width)
        self.state = nn.Linear(len(config.state_mean), width)
        self.readouts = nn.Parameter(torch.zeros(size.readouts, width))
        self.views = nn.Parameter(torch.zeros(config.views, width))
        self.word_places = nn.Parameter(torch.zeros(config.word_slots, width))
        self.patch_places = nn.Parameter(torch.zeros(size.patches, width))
        self.blocks = nn.ModuleList(Block(size) for _ in range(size.layers))
        self.norm = nn.LayerNorm(width)
        seen = config.views * size.readouts * width + len(config.state_mean)
        self.head = nn.Sequential(
            nn.Linear(seen, size.hidden), nn.GELU(), nn.Linear(size.hidden, size.hidden), nn.GELU(),
            nn.Linear(size.hidden, config.chunk * DIM),
        )  # fmt: skip

    def forward(self, pixels: Tensor, state: Tensor, words: Tensor) -> Tensor:
        """
        Args:
            pixels: (B, views, side, side, 3) uint8.
            state: (B, S) float32, normalized.
            words: (B, word_slots) int64.

        Returns:
            (B, chunk, 7) actions, the numbers of which may lie outside [-1, 1] by as much as the network errs.
        """
        batch, count = pixels.shape[:2]
        seen = pixels.flatten(0, 1).permute(0, 3, 1, 2).to(state.dtype) / 127.5 - 1.0
        patches = self.patches(seen).flatten(2).transpose(1, 2) + self.patch_places
        told = torch.cat([self.state(state)[:, None], self.words(words) + self.word_places], 1)
        told = told[:, None].expand(-1, count, -1, -1).flatten(0, 1)
        x = torch.cat([self.readouts.expand(batch * count, -1, -1).to(patches.dtype), told, patches], 1)
        x = x + self.views.repeat(batch, 1)[:, None]
        for block in self.blocks:
            x = block(x)
        read = self.norm(x[:, : self.config.size.readouts]).reshape(batch, -1)
        answer: Tensor = self.head(torch.cat([read, state.to(read.dtype)], 1))
        return answer.unflatten(-1, (self.config.chunk, DIM))


def new_model(config: ModelConfig, seed: int) -> VitMlp:
    """A network with first weights; a block adds the less to the stream the more blocks there are."""
    torch.manual_seed(seed)
    model = VitMlp(config)
    with torch.no_grad():
        for block in model.blocks:
            for layer in (block.attention_out, block.mlp_out):
                layer.weight.div_((2 * config.size.layers) ** 0.5)
        for table in (model.readouts, model.views, model.word_places, model.patch_places, model.words.weight):
            nn.init.normal_(table, std=0.2)
    return model
