"""What a training's configuration file says of an optimizer and of the image tokenizer."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mmact_eval.suite import Strict

Count = Annotated[int, Field(strict=True, ge=0)]
AtLeastOne = Annotated[int, Field(strict=True, ge=1)]
Weight = Annotated[float, Field(ge=0.0)]
Rate = Annotated[float, Field(gt=0.0, le=1.0)]


class Optimizer(Strict):
    """AdamW with warm-up and a cosine down to `floor`.

    Attributes:
        rate: the highest learning rate.
        warmup: steps to get there.
        floor: the last learning rate, as a part of the highest.
        betas, decay: AdamW's; decay does not touch norms and biases.
        clip: longest gradient.
    """

    rate: Rate = 5e-5
    warmup: Count = 500
    floor: float = Field(default=0.0, ge=0.0, le=1.0)
    betas: tuple[float, float] = (0.9, 0.999)
    decay: Weight = 0.01
    clip: float = Field(default=1.0, gt=0.0)


class QuantizerSettings(Strict):
    """The image tokenizer: its size (see `quantizer.QuantizerConfig`) and its training.

    Attributes:
        side, channels, groups, bits, encoder_widths, encoder_blocks, decoder_widths, decoder_blocks: its size.
        steps, batch: of the training; a batch is so many moments, with all their views.
        drawn: part of a batch's pictures that is decoded. Decoding is most of a step, and codes that tell the next
            actions need little of it.
        optimizer: of the training.
        moving: how much more a pixel counts that differs from the camera's mean picture.
        balance: weight of the loss that wants each bit to be set half of the time.
        commitment: weight of the loss that keeps numbers near their signs.
        actions: weight of the loss of a small head that must tell the next actions from the codes (see `aiding`).
    """

    side: AtLeastOne = 128
    channels: AtLeastOne = 16
    groups: AtLeastOne = 8
    bits: AtLeastOne = 13
    encoder_widths: tuple[int, ...] = (1, 2, 2, 4, 4)
    encoder_blocks: tuple[int, ...] = (0, 1, 1, 1, 1)
    decoder_widths: tuple[int, ...] = (1, 1, 2, 2, 4)
    decoder_blocks: tuple[int, ...] = (0, 1, 1, 1, 1)
    steps: AtLeastOne = 2000
    batch: AtLeastOne = 16
    drawn: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    optimizer: Optimizer = Optimizer(rate=1e-3, warmup=100, floor=0.05)
    moving: Weight = 8.0
    balance: Weight = 0.1
    commitment: Weight = 0.05
    actions: Weight = 0.0
