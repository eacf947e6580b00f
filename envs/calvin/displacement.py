"""Displacing a block in the middle of an episode, for protocols with a disturbance."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mmact_eval.envs.calvin.world import Facts
from mmact_eval.envs.calvin.world.facts import TABLE, BlockFacts
from mmact_eval.envs.calvin.world.scenes import COLORS, Box

_TRIES = 16
_CLEARANCE = 0.1
"""Between the middles of two blocks, m: the largest is 0.08 long."""


def named_block(task: str) -> str | None:
    """The colour of the block that a task's name holds; None if it holds none."""
    found = re.search(rf"({'|'.join(COLORS)})_block", task)
    return found[1] if found else None


def place_for(
    color: str, blocks: Mapping[str, BlockFacts], table: Box, rng: np.random.Generator, metres: float
) -> NDArray[np.float64] | None:
    """Where a block can be moved to: in the first direction drawn that keeps it on the table and apart from others.

    Args:
        color: which block.
        blocks: all of them, as they are.
        table: lowest and highest corner of the free part of the table.
        rng: the only source of chance.
        metres: how far.

    Returns:
        (3,) m; None if it does not stand on the table by itself, or no direction is free.
    """
    block = blocks[color]
    if block.touches != {(TABLE, "base_link")}:
        return None
    others = [other.position for name, other in blocks.items() if name != color]
    for angle in rng.uniform(0.0, 2.0 * np.pi, _TRIES):
        moved = block.position + metres * np.array([np.cos(angle), np.sin(angle), 0.0])
        inside = all(low <= x <= high for x, low, high in zip(moved[:2], table[0][:2], table[1][:2], strict=True))
        if inside and all(np.linalg.norm(moved - other) >= _CLEARANCE for other in others):
            return moved
    return None


def as_if_there_before(start: Facts, color: str, way: NDArray[np.float64]) -> Facts:
    """The facts when a task began, had the block stood so much elsewhere: a disturbance neither solves nor undoes."""
    block = start.blocks[color]
    return replace(start, blocks={**start.blocks, color: replace(block, position=block.position + way)})
