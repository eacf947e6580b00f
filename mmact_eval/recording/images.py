"""Images as H.264 videos or PNG files, and back."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmact_eval.observers.video_encoder import Image, encode

_CRF = 18
"""H.264's constant quality, 0 (lossless) to 51; at 18 people see no difference."""

_GOP = 10
"""Frames between two key frames: what a reader must decode, at most, to get a frame at random."""


def write_video(file: Path, frames: Sequence[Image], fps: float) -> None:
    """Write frame k at exactly k / fps seconds. The same frames give the same bytes on every machine with this FFmpeg.

    Args:
        file: an ``.mp4`` file.
        frames: (H, W, 3) uint8 RGB, even H and W.
        fps: frames a second.

    Raises:
        EncodingFailed: it could not be written.
    """
    options = ["-crf", str(_CRF), "-g", str(_GOP), "-preset", "medium"]
    options += ["-bf", "0"]  # frames in the order in which they are shown: the first has the time 0
    options += ["-threads", "1"]  # the encoder's output depends on the number of its threads
    options += ["-fflags", "+bitexact", "-movflags", "+faststart"]
    encode(file, frames, fps, options)


def png(frame: Image) -> bytes:
    """The image as a PNG file, losslessly."""
    import imageio.v3 as iio

    stream = io.BytesIO()
    iio.imwrite(stream, frame, extension=".png")
    return stream.getvalue()


def histograms(frames: Sequence[Image]) -> NDArray[np.int64]:
    """How often each value occurs in each channel: (3, 256) counts over all pixels of all frames."""
    counts = np.zeros((3, 256), np.int64)
    for frame in frames:
        for channel in range(3):
            counts[channel] += np.bincount(frame[..., channel].ravel(), minlength=256)
    return counts
