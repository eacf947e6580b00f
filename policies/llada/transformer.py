"""The masked-token predictor: a LLaDA-style stack of blocks in which every token sees every other.

Names of modules are the names in published checkpoints (`model.transformer.blocks.0.q_proj.weight` and so on).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmact_eval.policies.llada.config import TransformerConfig


class RMSNorm(nn.Module):
    """Root-mean-square norm, computed in float32 whatever the weights are; the scale is applied in their type."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        wide = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)
        return self.weight * wide.to(x.dtype)


def rotary_angles(length: int, config: TransformerConfig, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the rotary position embedding, two float32 tensors (length, head_dim).

    A head's dimensions i and i + head_dim / 2 turn together, by position · theta^(-2i / head_dim).
    """
    half = torch.arange(0, config.head_dim, 2, device=device, dtype=torch.float32)
    frequencies = 1.0 / (config.rope_theta ** (half / config.head_dim))
    angles = torch.outer(torch.arange(length, device=device, dtype=torch.float32), frequencies).repeat(1, 2)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
    """Apply `rotary_angles` to (..., length, head_dim) in float32; the result has the type of `x`."""
    cos, sin = angles
    wide = x.float()
    first, second = wide.chunk(2, dim=-1)
    return (wide * cos + torch.cat((-second, first), dim=-1) * sin).to(x.dtype)


def mix(query: Tensor, key: Tensor, value: Tensor, attention: Tensor | None) -> Tensor:
    """Attention of (B, heads, L, head_dim) each; `attention` as in `MaskedTokenPredictor.forward`."""
    if query.requires_grad and query.dtype is torch.bfloat16 and query.device.type == "cpu":
        # PyTorch's own kernel goes backwards in bfloat16 four times as slowly as these two products.
        scores = (query @ key.transpose(-1, -2)) * query.shape[-1] ** -0.5
        if attention is not None:
            scores = scores + attention if attention.is_floating_point() else scores.masked_fill(~attention, -torch.inf)
        return scores.softmax(-1).to(value.dtype) @ value
    return functional.scaled_dot_product_attention(query, key, value, attn_mask=attention)


class Block(nn.Module):
    """Attention and gated MLP, each behind a norm and added to the stream."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        width, kv_width = config.d_model, config.n_kv_heads * config.head_dim
        self.attn_norm = RMSNorm(width, config.rms_norm_eps)
        self.ff_norm = RMSNorm(width, config.rms_norm_eps)
        self.q_proj = nn.Linear(width, width, bias=False)
        self.k_proj = nn.Linear(width, kv_width, bias=False)
        self.v_proj = nn.Linear(width, kv_width, bias=False)
        self.attn_out = nn.Linear(width, width, bias=False)
        self.ff_proj = nn.Linear(width, config.mlp_hidden_size, bias=False)
        self.up_proj = nn.Linear(width, config.mlp_hidden_size, bias=False)
        self.ff_out = nn.Linear(config.mlp_hidden_size, width, bias=False)

    def forward(self, x: Tensor, angles: tuple[Tensor, Tensor], attention: Tensor | None) -> Tensor:
        x = x + self.attend(self.attn_norm(x), angles, attention)
        normed = self.ff_norm(x)
        return x + self.ff_out(functional.silu(self.ff_proj(normed)) * self.up_proj(normed))

    def attend(self, x: Tensor, angles: tuple[Tensor, Tensor], attention: Tensor | None) -> Tensor:
        query = rotate(self._heads(self.q_proj(x)), angles)
        key = rotate(self._heads(self.k_proj(x)), angles)
        value = self._heads(self.v_proj(x))
        shared = self.config.n_heads // self.config.n_kv_heads
        if shared > 1:
            key, value = key.repeat_interleave(shared, dim=1), value.repeat_interleave(shared, dim=1)
        mixed = mix(query, key, value, attention)
        return self.attn_out(mixed.transpose(1, 2).flatten(2))

    def _heads(self, x: Tensor) -> Tensor:
        """(B, L, heads · head_dim) → (B, heads, L, head_dim)."""
        return x.unflatten(-1, (-1, self.config.head_dim)).transpose(1, 2)


class MaskedTokenPredictor(nn.Module):
    """Logits for every token of a sequence from the whole sequence; there is no causal mask and no time input."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        parts = {
            "wte": nn.Embedding(config.vocabulary.size, config.d_model),
            "blocks": nn.ModuleList(Block(config) for _ in range(config.n_layers)),
            "ln_f": RMSNorm(config.d_model, config.rms_norm_eps),
            "ff_out": nn.Linear(config.d_model, config.vocabulary.size, bias=False),
        }
        self.model = nn.ModuleDict({"transformer": nn.ModuleDict(parts)})

    def forward(self, ids: Tensor, attention: Tensor | None = None, positions: Tensor | None = None) -> Tensor:
        """
        Args:
            ids: (B, L) int64.
            attention: what attends to what, broadcastable to (B, heads, L, L): bool (True: may look) or a float that is
                added to the scores. None: everything to everything.
            positions: (B, N) int64, the places that are of interest; None for all.

        Returns:
            (B, N or L, d_model) what the blocks make of these places; `logits` turns it into logits.
        """
        parts = self.model["transformer"]
        angles = rotary_angles(ids.shape[1], self.config, ids.device)
        x = parts["wte"](ids)
        if attention is not None and attention.is_floating_point():
            attention = attention.to(x.dtype)
        for block in parts["blocks"]:
            x = block(x, angles, attention)
        return x if positions is None else x.gather(1, positions[:, :, None].expand(-1, -1, x.shape[-1]))

    def logits(self, x: Tensor, vocabulary: slice | None = None) -> Tensor:
        """(…, d_model) → (…, ids wanted) logits in the type of the weights.

        The head is by far the widest layer, so it is applied to the places and ids (`vocabulary`, None for all) wanted.
        """
        parts = self.model["transformer"]
        head = parts["ff_out"].weight
        return functional.linear(parts["ln_f"](x), head if vocabulary is None else head[vocabulary])
