"""What a policy said, drawn beside what then happened."""

from __future__ import annotations

import functools
import textwrap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmact_eval.observers.picture_scores import fitted

_BACKGROUND = (24, 24, 24)
_INK = (235, 235, 235)


def beside(frame: NDArray[np.uint8], text: str | None, picture: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    """The frame with a panel on its right: the picture on top, the text below it.

    Args:
        frame: (H, W, 3).
        text: cut off where it does not fit; None leaves its place empty.
        picture: of any size; None leaves its place to the text.

    Returns:
        (H, W + H, 3), whatever is in the panel.
    """
    from PIL import Image, ImageDraw

    side = frame.shape[0]
    panel = Image.new("RGB", (side, side), _BACKGROUND)
    top = 0
    if picture is not None:
        top = side * 3 // 4 if text else side
        panel.paste(Image.fromarray(fitted(picture, top, top)), ((side - top) // 2, 0))
    if text:
        size = max(8, side // 20)
        margin = size // 2
        lines = _wrapped(text, columns=max(1, int((side - 2 * margin) / (0.52 * size))))
        room = max(1, int((side - top - margin) / (1.25 * size)))
        place = (margin, top + margin // 2)
        drawing = ImageDraw.Draw(panel)
        drawing.multiline_text(place, "\n".join(lines[:room]), fill=_INK, font=_font(size), spacing=size // 6)
    return np.concatenate([frame, np.asarray(panel)], axis=1)


def above(frame: NDArray[np.uint8], caption: str) -> NDArray[np.uint8]:
    """The (H, W, 3) frame with a strip of two lines below it, and the caption there: (H + S, W, 3), S even."""
    from PIL import Image, ImageDraw

    size = max(8, frame.shape[0] // 20)
    margin, width = size // 2, frame.shape[1]
    strip = Image.new("RGB", (width, 4 * size), _BACKGROUND)
    lines = _wrapped(caption, columns=max(1, int((width - 2 * margin) / (0.52 * size))))
    drawing = ImageDraw.Draw(strip)
    drawing.multiline_text((margin, margin), "\n".join(lines[:2]), fill=_INK, font=_font(size), spacing=size // 6)
    return np.concatenate([frame, np.asarray(strip)], axis=0)


def _wrapped(text: str, columns: int) -> list[str]:
    shown = "".join(character if character.isprintable() else " " for character in text)
    return textwrap.wrap(shown, columns)


@functools.cache
def _font(size: int) -> Any:
    from PIL import ImageFont

    try:
        return ImageFont.load_default(size)
    except (TypeError, ImportError):  # Pillow before 10.1, or without FreeType: one small font
        return ImageFont.load_default()
