"""Codes are the signs of 13 numbers, most significant first; images are brought to 256 × 256 as published."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mmact_eval.errors import UsageError
from mmact_eval.policies.llada.images import to_pixels
from mmact_eval.policies.llada.quantizer import Quantizer, QuantizerConfig, SignQuantizer


def test_channel_0_is_the_most_significant_bit_and_zero_counts_as_minus_one() -> None:
    z = torch.full((1, 13, 2, 2), -1.0)
    z[0, 0, 0, 0] = 0.5
    z[0, 12, 0, 1] = 0.5
    z[0, :, 1, 0] = 0.0
    z[0, :, 1, 1] = 2.0
    assert SignQuantizer(13).codes(z).tolist() == [[4096, 1, 0, 8191]]


def test_codes_and_vectors_are_inverse() -> None:
    quantizer = SignQuantizer(13)
    codes = torch.randint(0, 8192, (2, 256), generator=torch.Generator().manual_seed(0))
    vectors = quantizer.vectors(codes)
    assert vectors.shape == (2, 13, 16, 16)
    assert set(vectors.unique().tolist()) == {-1.0, 1.0}
    assert torch.equal(quantizer.codes(vectors), codes)
    assert torch.equal(quantizer.embedding[5], torch.tensor([-1.0] * 10 + [1.0, -1.0, 1.0]))


def test_codes_and_pictures_are_not_made_of_what_is_no_number() -> None:
    config = QuantizerConfig(channels=32, encoder_widths=(1, 1), encoder_blocks=(1, 1), decoder_widths=(1, 1),
                             decoder_blocks=(1, 1), side=8)  # fmt: skip
    quantizer = Quantizer(config)
    with torch.no_grad():
        quantizer.encoder.conv_in.weight[0] = float("nan")
        quantizer.decoder.conv_out.bias[0] = float("inf")
    with pytest.raises(FloatingPointError, match="the image tokenizer computes NaN or infinity"):
        quantizer.encode(torch.zeros(1, 3, 8, 8))
    with pytest.raises(FloatingPointError, match="the image tokenizer computes NaN or infinity"):
        quantizer.decode(torch.zeros(1, 16, dtype=torch.long))


def test_a_wide_image_gets_black_bars_above_and_below() -> None:
    pixels = to_pixels(np.full((128, 256, 3), 255, dtype=np.uint8))
    assert pixels.shape == (3, 256, 256)
    assert torch.equal(pixels[:, :64], torch.full((3, 64, 256), -1.0))
    assert torch.equal(pixels[:, 64:192], torch.full((3, 128, 256), 1.0))
    assert torch.equal(pixels[:, 192:], torch.full((3, 64, 256), -1.0))


def test_an_odd_bar_is_thicker_below() -> None:
    pixels = to_pixels(np.full((255, 256, 3), 255, dtype=np.uint8))
    assert pixels[0, 0, 0] == 1.0
    assert pixels[0, 255, 0] == -1.0


def test_an_image_without_a_value_above_1_is_not_divided_by_255() -> None:
    assert torch.equal(to_pixels(np.ones((256, 256, 3), dtype=np.uint8)), torch.ones(3, 256, 256))


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((256, 256, 3), dtype=np.float32),
        np.zeros((256, 256), dtype=np.uint8),
        np.zeros((3, 256, 256), dtype=np.uint8),
        np.zeros((0, 256, 3), dtype=np.uint8),
    ],
)
def test_what_is_no_image_is_refused(image: NDArray[np.uint8]) -> None:
    with pytest.raises(UsageError, match=r"\(height, width, 3\) uint8, got"):
        to_pixels(image)
