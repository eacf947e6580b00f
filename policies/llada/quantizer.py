"""The image tokenizer: Show-o's MAGVIT-v2, a convolutional autoencoder with lookup-free quantization.

256 × 256 pixels become a 16 × 16 grid of vectors of 13 numbers; only their signs are kept, which makes a code of 13
bits. Names of modules and buffers are the names in the published checkpoint.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmact_eval.errors import UsageError
from mmact_eval.policies.llada.conv_layers import Downsample, Middle, Stage, Upsample, conv3, norm

LONGEST_CODE = 20
"""Bits of a code: each of a million codes has a row in the transformer's tables."""


@dataclass(frozen=True)
class QuantizerConfig:
    """Size of the autoencoder; the defaults are the published one's.

    Attributes:
        channels: width of the first stage of the encoder and the last one of the decoder; a multiple of 32.
        encoder_widths, decoder_widths: width of each stage, in units of `channels`, from the full resolution down.
        encoder_blocks, decoder_blocks: residual blocks of each stage.
        bits: length of a code.
        groups: of the group norms; every width is a multiple.
        side: height and width of the pictures in pixels.
    """

    channels: int = 128
    encoder_widths: tuple[int, ...] = (1, 2, 2, 4, 4)
    encoder_blocks: tuple[int, ...] = (4, 3, 4, 3, 4)
    decoder_widths: tuple[int, ...] = (1, 1, 2, 2, 4)
    decoder_blocks: tuple[int, ...] = (4, 4, 3, 4, 3)
    bits: int = 13
    groups: int = 32
    side: int = 256

    def __post_init__(self) -> None:
        for name in ("channels", "bits", "groups", "side"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 1:
                raise UsageError(f"image tokenizer: {name} must be an integer ≥ 1, got {getattr(self, name)!r}")
        if self.bits > LONGEST_CODE:
            raise UsageError(f"image tokenizer: codes of {self.bits} bits are more than {LONGEST_CODE} (bits)")
        stages = (self.encoder_widths, self.encoder_blocks, self.decoder_widths, self.decoder_blocks)
        lists = all(isinstance(stage, tuple) and all(type(n) is int and n >= 0 for n in stage) for stage in stages)
        if not lists or len({len(stage) for stage in stages}) > 1:
            raise UsageError("image tokenizer: widths and blocks are lists of integers, all of one length")
        if self.channels % self.groups:
            raise UsageError(
                f"image tokenizer: channels must be a multiple of {self.groups} (groups), got {self.channels!r}"
            )
        if self.side % self.patch:
            raise UsageError(f"image tokenizer: side must be a multiple of {self.patch} pixels, got {self.side}")

    @property
    def patch(self) -> int:
        """Height and width of the pixels that share a code."""
        return int(2 ** (len(self.encoder_blocks) - 1))

    @property
    def grid(self) -> int:
        """Codes in a row, and rows."""
        return self.side // self.patch


def read_quantizer_config(folder: Path) -> QuantizerConfig:
    """The size of the image tokenizer in a folder: the published one, but for what its config.json states otherwise.

    Raises:
        UsageError: config.json cannot be read.
    """
    path = folder / "config.json"
    if not path.exists():
        return QuantizerConfig()
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict):
            raise UsageError(f"{path} is not a JSON object")
        stated: dict[str, Any] = {}
        for field in fields(QuantizerConfig):
            value = data.get(field.name)
            if value is not None:
                stated[field.name] = tuple(value) if isinstance(value, list) else value
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {path}: {error}") from None
    return QuantizerConfig(**stated)


def quantizer_json(config: QuantizerConfig) -> dict[str, Any]:
    """What an image tokenizer's config.json says."""
    return {"_class_name": "MAGVITv2", **asdict(config)}


class Encoder(nn.Module):
    """(B, 3, H, W) → (B, bits, H / 16, W / 16)."""

    def __init__(self, config: QuantizerConfig) -> None:
        super().__init__()
        widths = [config.channels * width for width in (1, *config.encoder_widths)]
        self.conv_in = conv3(3, config.channels)
        self.down = nn.ModuleList()
        for level, blocks in enumerate(config.encoder_blocks):
            stage = Stage(widths[level], widths[level + 1], blocks, config.groups)
            if level != len(config.encoder_blocks) - 1:
                stage.downsample = Downsample(widths[level + 1])
            self.down.append(stage)
        self.mid = Middle(widths[-1], config.groups)
        self.norm_out = norm(widths[-1], config.groups)
        self.conv_out = conv3(widths[-1], config.bits)
        self.quant_conv = nn.Conv2d(config.bits, config.bits, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for stage in self.down:
            x = stage(x)
        x = self.conv_out(functional.silu(self.norm_out(self.mid(x))))
        return self.quant_conv(x)


class Decoder(nn.Module):
    """(B, bits, h, w) → (B, 3, 16 h, 16 w). Stage 0 is the full resolution, so the stages run from last to first."""

    def __init__(self, config: QuantizerConfig) -> None:
        super().__init__()
        widths = [config.channels * width for width in config.decoder_widths]
        inputs = [*widths[1:], widths[-1]]
        self.conv_in = conv3(config.bits, widths[-1])
        self.mid = Middle(widths[-1], config.groups)
        self.up = nn.ModuleList()
        for level, blocks in enumerate(config.decoder_blocks):
            stage = Stage(inputs[level], widths[level], blocks, config.groups)
            if level != 0:
                stage.upsample = Upsample(widths[level])
            self.up.append(stage)
        self.norm_out = norm(widths[0], config.groups)
        self.conv_out = conv3(widths[0], 3)
        self.post_quant_conv = nn.Conv2d(config.bits, config.bits, kernel_size=1)

    def forward(self, z: Tensor) -> Tensor:
        x = self.mid(self.conv_in(self.post_quant_conv(z)))
        for stage in reversed(self.up):
            x = stage(x)
        return self.conv_out(functional.silu(self.norm_out(x)))


def signs(codes: Tensor, bits: int) -> Tensor:
    """Codes (...) as vectors (..., bits) of -1 and +1, the most significant bit first."""
    weights = torch.arange(bits - 1, -1, -1, device=codes.device)
    return ((codes[..., None] >> weights) & 1).float() * 2 - 1


class SignQuantizer(nn.Module):
    """Vectors to codes by their signs, and back. Its buffers only repeat the rule; published checkpoints carry them."""

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.bits = bits
        self.register_buffer("embedding", signs(torch.arange(2**bits), bits))
        self.register_buffer("power_vals", 2 ** torch.arange(bits - 1, -1, -1))

    def codes(self, z: Tensor) -> Tensor:
        """(B, bits, h, w) → (B, h · w) int64, row by row. Channel 0 is the most significant bit; 0 counts as -1."""
        bits = (z > 0).flatten(2).long()
        return (bits * self.power_vals.long()[:, None]).sum(1)

    def vectors(self, codes: Tensor) -> Tensor:
        """(B, side²) → (B, bits, side, side) of -1 and +1."""
        side = round(codes.shape[-1] ** 0.5)
        return self.embedding[codes].transpose(1, 2).unflatten(2, (side, side))


class Quantizer(nn.Module):
    """The whole image tokenizer; published in float32 and meant to be used so."""

    def __init__(self, config: QuantizerConfig | None = None) -> None:
        super().__init__()
        config = config or QuantizerConfig()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.quantize = SignQuantizer(config.bits)

    def encode(self, pixels: Tensor) -> Tensor:
        """(B, 3, side, side) float32 in [-1, 1] → (B, grid²) int64 codes.

        Raises:
            FloatingPointError: what is computed is no finite number; the sign of NaN would count as -1.
        """
        return self.quantize.codes(_finite(self.encoder(pixels)))

    def decode(self, codes: Tensor) -> Tensor:
        """(B, grid²) int64 codes → (B, 3, side, side) float32, about [-1, 1], not clipped.

        Raises:
            FloatingPointError: as `encode`.
        """
        return _finite(self.decoder(self.quantize.vectors(codes).contiguous()))


def _finite(numbers: Tensor) -> Tensor:
    if not numbers.isfinite().all():
        raise FloatingPointError("the image tokenizer computes NaN or infinity; look at its weights")
    return numbers
