"""A contact sheet of what the policy was shown: people would rather look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmact_eval.optional import ShowsPictures
from mmact_eval.probe.reference import PHASES, Frame

_SIDE, _GAP, _LABEL = 192, 8, 20
_INK, _PAPER = (20, 20, 20), (250, 250, 250)
_ROWS = 6


def write_sheet(file: Path, policy: Any, frames: Sequence[Frame]) -> None:
    """A PNG with a row for each of some frames: the environment's images, and what a remote policy makes of them.

    Args:
        file: where to.
        policy: may have ``pictures(observation)``, the images that it sends, by their names on the wire.
        frames: of the reference; one of each phase is shown at least.

    Raises:
        OSError: it could not be written.
    """
    from PIL import Image, ImageDraw

    rows = []
    for frame in _some(frames):
        shown = {f"{camera} (handed over)": frame.observation.images[camera] for camera in policy.spec.cameras}
        shown |= _sent(policy, frame)
        rows.append((f"{frame.phase}, step {frame.step}: {frame.observation.instruction}", shown))
    width = max(len(shown) for _, shown in rows) * (_SIDE + _GAP) + _GAP
    height = len(rows) * (_SIDE + 2 * _LABEL + _GAP) + _GAP
    sheet = Image.new("RGB", (max(width, 420), height), _PAPER)
    drawing = ImageDraw.Draw(sheet)
    top = _GAP
    for title, shown in rows:
        drawing.text((_GAP, top), title, fill=_INK)
        for number, (name, picture) in enumerate(shown.items()):
            left = _GAP + number * (_SIDE + _GAP)
            drawing.text((left, top + _LABEL), name, fill=_INK)
            sheet.paste(Image.fromarray(_fitted(picture)), (left, top + 2 * _LABEL))
        top += _SIDE + 2 * _LABEL + _GAP
    file.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(file)


def _some(frames: Sequence[Frame]) -> list[Frame]:
    """Of each phase one, then others."""
    first = [next(frame for frame in frames if frame.phase == phase) for phase in PHASES if _has(frames, phase)]
    rest = [frame for frame in frames[:: max(1, len(frames) // _ROWS)] if not any(frame is other for other in first)]
    return [*first, *rest][:_ROWS]


def _has(frames: Sequence[Frame], phase: str) -> bool:
    return any(frame.phase == phase for frame in frames)


def _sent(policy: Any, frame: Frame) -> Mapping[str, NDArray[np.uint8]]:
    found = policy.pictures(frame.observation.copied()) if isinstance(policy, ShowsPictures) else {}
    return {f"{name} (sent)": picture for name, picture in found.items()}


def _fitted(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Enlarged or reduced to the sheet's cells, its shape kept."""
    from PIL import Image

    height, width = picture.shape[:2]
    scale = _SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    method = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(picture).resize(size, method))
