"""The layers that the image tokenizer's encoder and decoder are made of."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


def norm(channels: int, groups: int = 32) -> nn.GroupNorm:
    """Group norm over 32 groups, as published, or others."""
    return nn.GroupNorm(num_groups=groups, num_channels=channels, eps=1e-6)


def conv3(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel_size=3, padding=1)


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions, each behind norm and SiLU, added to the input (through a 1×1 where the width changes)."""

    def __init__(self, inputs: int, outputs: int, groups: int) -> None:
        super().__init__()
        self.norm1 = norm(inputs, groups)
        self.conv1 = conv3(inputs, outputs)
        self.norm2 = norm(outputs, groups)
        self.conv2 = conv3(outputs, outputs)
        if inputs != outputs:
            self.nin_shortcut = nn.Conv2d(inputs, outputs, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(functional.silu(self.norm1(x)))
        h = self.conv2(functional.silu(self.norm2(h)))
        return h + (self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x)


class AttentionBlock(nn.Module):
    """One head of self-attention over all places of the picture, added to the input."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.norm = norm(channels, groups)
        self.q = nn.Conv2d(channels, channels, kernel_size=1)
        self.k = nn.Conv2d(channels, channels, kernel_size=1)
        self.v = nn.Conv2d(channels, channels, kernel_size=1)
        self.proj_out = nn.Conv2d(channels, channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm(x)
        query, key, value = (layer(normed).flatten(2).transpose(1, 2) for layer in (self.q, self.k, self.v))
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return x + self.proj_out(mixed.transpose(1, 2).reshape(x.shape))


class Downsample(nn.Module):
    """Half the size: a 3×3 convolution with stride 2, after a row and a column of zeros were added behind."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, kernel_size=3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(functional.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Twice the size: nearest neighbour, then a 3×3 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = conv3(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(functional.interpolate(x, scale_factor=2.0, mode="nearest"))


class Middle(nn.Module):
    """The part at the lowest resolution, and the only one with attention."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.block_1 = ResidualBlock(channels, channels, groups)
        self.attn_1 = AttentionBlock(channels, groups)
        self.block_2 = ResidualBlock(channels, channels, groups)

    def forward(self, x: Tensor) -> Tensor:
        return self.block_2(self.attn_1(self.block_1(x)))


class Stage(nn.Module):
    """Residual blocks at one resolution, then a change of resolution if there is a next one."""

    def __init__(self, inputs: int, outputs: int, blocks: int, groups: int) -> None:
        super().__init__()
        self.block = nn.ModuleList(ResidualBlock(inputs if i == 0 else outputs, outputs, groups) for i in range(blocks))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.block:
            x = block(x)
        for resample in ("downsample", "upsample"):
            if hasattr(self, resample):
                x = getattr(self, resample)(x)
        return x
