"""Which robot recorded data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mmact_eval.errors import UsageError
from mmact_eval.policies.llada.policy.robots import Robot
from mmact_eval.policies.llada.training.data.recordings import action_widths, camera_names


def recorded_by(folders: Sequence[Path], robots: Mapping[str, Robot], numbers: int) -> str:
    """The name of the robot, known by its cameras.

    Args:
        folders: of the data sets.
        robots: by name, of one model.
        numbers: in an action of each.

    Raises:
        UsageError: a folder is no data set of ours, or its robot is none of these, or they are of several.
    """
    found = {}
    for folder, width in action_widths(folders).items():
        cameras = camera_names(folder)
        name = next((name for name, known in robots.items() if set(known.cameras) <= cameras), None)
        if name is None or width != numbers:
            wanted = " or ".join(f"{name} ({' and '.join(known.cameras)})" for name, known in robots.items())
            raise UsageError(
                f"{folder} has actions of {width} numbers and the cameras {', '.join(sorted(cameras))}; "
                f"{next(iter(robots.values())).model} has {numbers} numbers and the cameras of {wanted}"
            )
        found[folder] = name
    if len(set(found.values())) > 1:
        each = ", ".join(f"{folder} ({name})" for folder, name in found.items())
        raise UsageError(f"the data sets are of different robots: {each}")
    return found[folders[0]]
