"""How ViT + MLP reads demonstrations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmact_eval.errors import UsageError
from mmact_eval.policies.llada.images import to_sides
from mmact_eval.policies.llada.training.data.recordings import action_widths, camera_names
from mmact_eval.policies.llada.training.data.source import Source
from mmact_eval.policies.vit_mlp.config import DIM
from mmact_eval.policies.vit_mlp.robots import ROBOTS, Robot


def recorded_by(folders: Sequence[Path]) -> Robot:
    """The robot of these data sets.

    Raises:
        UsageError: a folder is no data set of ours, or its robot is none of `ROBOTS`, or they are of several.
    """
    found: dict[Path, str] = {}
    for folder, width in action_widths(folders).items():
        cameras = camera_names(folder)
        names = [name for name, robot in ROBOTS.items() if set(robot.cameras) <= cameras]
        if not names or width != DIM:
            wanted = " or ".join(f"{name} ({' and '.join(robot.cameras)})" for name, robot in ROBOTS.items())
            raise UsageError(
                f"{folder} has actions of {width} numbers and the cameras {', '.join(sorted(cameras))}; ViT + MLP has "
                f"{DIM} numbers and the cameras of {wanted}"
            )
        found[folder] = names[0]
    if len(set(found.values())) > 1:
        raise UsageError(f"the data sets are of different robots: {', '.join(map(str, folders))}")
    return ROBOTS[found[folders[0]]]


def source(robot: Robot, chunk: int) -> Source:
    """Each view by itself, the state in the environment's units."""
    key = f"vit-mlp {robot.name} {chunk}"
    return Source(robot.cameras, robot.state, robot.vector, to_sides, chunk, clamped=False, key=key)
