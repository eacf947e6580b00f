"""What clients do to images before they send them, as the policies' own evaluation scripts do it."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.uint8]


def resize_with_pad(picture: Picture, height: int, width: int) -> Picture:
    """(H, W, 3) → (height, width, 3), shape kept and black added, bit for bit as openpi's client does it.

    The same steps in the same order: PIL's bilinear filter, sizes and margins cut off towards zero.
    """
    rows, columns = picture.shape[:2]
    if (rows, columns) == (height, width):
        return picture
    ratio = max(columns / width, rows / height)
    size = int(columns / ratio), int(rows / ratio)
    canvas = Image.new("RGB", (width, height), 0)
    margin = max(0, int((width - size[0]) / 2)), max(0, int((height - size[1]) / 2))
    canvas.paste(Image.fromarray(picture).resize(size, resample=Image.Resampling.BILINEAR), margin)
    return np.asarray(canvas)


def jpeg_round_trip(picture: Picture) -> Picture:
    """Encoded as JPEG (quality 95, 4:2:0) and decoded again: what the RLDS data sets went through."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="JPEG", quality=95, subsampling="4:2:0")
    with Image.open(buffer, formats=("JPEG",)) as decoded:
        return np.array(decoded, np.uint8)


def lanczos3(picture: Picture, height: int, width: int) -> Picture:
    """Resized with an antialiasing Lanczos filter of radius 3 in floating point, as `tf.image.resize` does it."""
    rows, columns = picture.shape[:2]
    resized = np.einsum("ih,hwc->iwc", _lanczos_weights(rows, height), picture.astype(np.float32))
    resized = np.einsum("jw,iwc->ijc", _lanczos_weights(columns, width), resized)
    rounded: Picture = np.clip(np.rint(resized), 0, 255).astype(np.uint8)
    return rounded


def _lanczos_weights(before: int, after: int) -> NDArray[np.float32]:
    """(after, before): how much of each old pixel a new one has."""
    scale = max(before / after, 1.0)
    centre = (np.arange(after) + 0.5) * before / after
    distance = (np.arange(before)[np.newaxis] + 0.5 - centre[:, np.newaxis]) / scale
    weights = np.where(np.abs(distance) < 3.0, np.sinc(distance) * np.sinc(distance / 3.0), 0.0)
    normalized: NDArray[np.float32] = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return normalized


def centre_crop(picture: Picture, area: float) -> Picture:
    """The middle with this share of the area, enlarged to the old size: `tf.image.crop_and_resize`, bilinear.

    What OpenVLA does at evaluation when it was trained with random crops (`area` 0.9).
    """
    rows, columns = picture.shape[:2]
    side = float(np.sqrt(area))
    result = picture.astype(np.float32) / 255.0
    result = _sample(result, (1.0 - side) / 2.0 * (rows - 1) + np.arange(rows) * side, axis=0)
    result = _sample(result, (1.0 - side) / 2.0 * (columns - 1) + np.arange(columns) * side, axis=1)
    return (np.clip(result, 0.0, 1.0) * 255.5).astype(np.uint8)  # cut off, not rounded: TensorFlow's conversion


def _sample(picture: NDArray[np.float32], at: NDArray[np.float64], axis: int) -> NDArray[np.float32]:
    """Linear interpolation along an axis at these coordinates, in pixels."""
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, picture.shape[axis] - 1)
    shape = [1, 1, 1]
    shape[axis] = -1
    weight = (at - low).astype(np.float32).reshape(shape)
    between: NDArray[np.float32] = np.take(picture, low, axis) * (1 - weight) + np.take(picture, high, axis) * weight
    return between
