"""How ViT + MLP reads demonstrations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmact_eval.policies.llada.images import to_sides
from mmact_eval.policies.llada.training.data.recorded_by import recorded_by
from mmact_eval.policies.llada.training.data.source import Source
from mmact_eval.policies.vit_mlp.config import DIM
from mmact_eval.policies.vit_mlp.robots import ROBOTS, Arm


def robot_that_recorded(folders: Sequence[Path]) -> Arm:
    """The robot of these data sets.

    Raises:
        UsageError: see `recorded_by`.
    """
    return ROBOTS[recorded_by(folders, ROBOTS, DIM)]


def source(robot: Arm, chunk: int) -> Source:
    """Each view by itself, the state in the environment's units."""
    key = f"vit-mlp {robot.robot} {chunk}"
    return Source(robot.cameras, robot.state, robot.vector, to_sides, chunk, clamped=False, key=key)
