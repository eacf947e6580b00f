"""How close a generated picture comes to what was then seen: PSNR and SSIM."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_SIGMA = 1.5  # pixels: the Gaussian window of SSIM (Wang et al. 2004), cut to 11 × 11
_RADIUS = 5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def psnr(picture: NDArray[np.uint8], reached: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio in dB over all pixels and channels; infinity for equal images.

    Raises:
        ValueError: the images differ in shape.
    """
    a, b = _pair(picture, reached)
    error = float(np.mean((a - b) ** 2))
    return math.inf if error == 0.0 else 10.0 * math.log10(255.0**2 / error)


def ssim(picture: NDArray[np.uint8], reached: NDArray[np.uint8]) -> float:
    """Structural similarity, 1 for equal images: the mean over channels and over places at least 5 pixels inside.

    Raises:
        ValueError: the images differ in shape or are smaller than the window of 11 × 11.
    """
    a, b = _pair(picture, reached)
    if min(a.shape[:2]) <= 2 * _RADIUS:
        raise ValueError(f"images of {a.shape[0]} × {a.shape[1]} are too small for SSIM")
    mean_a, mean_b = _blurred(a), _blurred(b)
    variance_a, variance_b = _blurred(a * a) - mean_a**2, _blurred(b * b) - mean_b**2
    covariance = _blurred(a * b) - mean_a * mean_b
    similarity = (2 * mean_a * mean_b + _C1) * (2 * covariance + _C2)
    similarity /= (mean_a**2 + mean_b**2 + _C1) * (variance_a + variance_b + _C2)
    return float(similarity[_RADIUS:-_RADIUS, _RADIUS:-_RADIUS].mean())


def _pair(picture: NDArray[np.uint8], reached: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if picture.shape != reached.shape or picture.ndim != 3:
        raise ValueError(f"cannot compare images of shapes {picture.shape} and {reached.shape}")
    return picture.astype(np.float64), reached.astype(np.float64)


def _blurred(image: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.ndimage import gaussian_filter

    blurred: NDArray[np.float64] = gaussian_filter(image, (_SIGMA, _SIGMA, 0.0), truncate=_RADIUS / _SIGMA)
    return blurred


def fitted(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """An image on black bars, centred, scaled to (height, width): as models that look at squares get theirs."""
    if image.shape[:2] == (height, width):
        return image
    from PIL import Image, ImageOps

    padded = ImageOps.pad(Image.fromarray(image), (width, height), Image.Resampling.BICUBIC, color=(0, 0, 0))
    return np.asarray(padded)
