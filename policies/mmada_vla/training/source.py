"""How MMaDA-VLA reads demonstrations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mmact_eval.policies.llada.training.data.recorded_by import recorded_by
from mmact_eval.policies.llada.training.data.source import Image, Source
from mmact_eval.policies.mmada_vla.config import DIM
from mmact_eval.policies.mmada_vla.images import stack
from mmact_eval.policies.mmada_vla.policy.adapters import CALVIN, LIBERO, Adapter

ROBOTS: Mapping[str, Adapter] = {adapter.robot: adapter for adapter in (LIBERO, CALVIN)}


def robot_of(folders: Sequence[Path]) -> str:
    """Which of `ROBOTS` recorded the data sets.

    Raises:
        UsageError: see `recorded_by`.
    """
    return recorded_by(folders, ROBOTS, DIM)


def source(robot: str, chunk: int) -> Source:
    """Both views in one picture, the state as it is."""
    known = ROBOTS[robot]
    key = f"mmada-vla {robot} {chunk}"
    return Source(known.cameras, known.state, known.vector, pictures, chunk, clamped=True, key=key)


def pictures(images: Sequence[Image], side: int) -> Image:
    """(1, side, side, 3)."""
    return stack(images, side)[None]
