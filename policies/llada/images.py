"""Camera images as the image tokenizer reads them, and its pictures as images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from mmact_eval.errors import UsageError

SIDE = 256  # pixels, as published


def to_pixels(image: NDArray[np.uint8], side: int = SIDE) -> Tensor:
    """An (H, W, 3) uint8 image as (3, side, side) float32 in about [-1, 1] (bicubic interpolation may overshoot).

    Steps, in the published order: divide by 255 (not where no value is above 1), black bars to a centred square,
    bicubic interpolation with antialiasing, [0, 1] → [-1, 1]. Always on the CPU, so that it is the same on any device.

    Raises:
        UsageError: it is not such an image.
    """
    array = np.asarray(image)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise UsageError(f"the model takes images of (height, width, 3) uint8, got {array.shape} {array.dtype}")
    pixels = torch.from_numpy(np.array(array, order="C")).permute(2, 0, 1).float()
    if pixels.max() > 1.0:
        pixels = pixels / 255.0
    height, width = pixels.shape[1:]
    square = max(height, width)
    top, left = (square - height) // 2, (square - width) // 2
    pixels = functional.pad(pixels, (left, square - width - left, top, square - height - top))
    if square != side:
        pixels = functional.interpolate(
            pixels[None], size=(side, side), mode="bicubic", align_corners=False, antialias=True
        )[0]
    return (pixels - 0.5) / 0.5


def to_sides(images: Sequence[NDArray[np.uint8]], side: int) -> NDArray[np.uint8]:
    """Each view as a square of that many pixels, rounded to whole numbers again, (views, side, side, 3)."""
    return np.stack([_to_side(image, side) for image in images])


def _to_side(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    pixels = to_pixels(image, side).permute(1, 2, 0)
    small: NDArray[np.uint8] = ((pixels + 1.0) * 127.5).round().clamp(0, 255).byte().numpy()
    return small


def to_array(pixels: Tensor) -> NDArray[np.float32]:
    """(3, H, W) → (H, W, 3) float32, clipped to [-1, 1]."""
    array: NDArray[np.float32] = pixels.clamp(-1.0, 1.0).permute(1, 2, 0).float().cpu().contiguous().numpy()
    return array


def to_uint8(picture: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A picture in [-1, 1] as an image of 0–255 (cut, not rounded, as upstream saves them)."""
    scaled: NDArray[np.uint8] = ((picture + 1.0) / 2.0 * 255.0).astype(np.uint8)
    return scaled
