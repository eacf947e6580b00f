"""How MM-ACT reads demonstrations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mmact_eval.errors import UsageError
from mmact_eval.policies.llada.images import to_sides
from mmact_eval.policies.llada.policy.robots import CALVIN_CAMERAS
from mmact_eval.policies.llada.training.data.recordings import action_widths, camera_names
from mmact_eval.policies.llada.training.data.source import Source
from mmact_eval.policies.mmact.adapters import Adapter, calvin_arm, one_arm, two_arms
from mmact_eval.policies.mmact.prompts import CHUNK, ONE_ARM, TWO_ARMS

ROBOTS: Mapping[str, Callable[[str], Adapter]] = {"libero": one_arm, "calvin": calvin_arm, "robotwin": two_arms}
"""From the state mode to the adapter."""


def source(folders: Sequence[Path], state_mode: str) -> Source:
    """As the robot that recorded the data sets has it.

    Raises:
        UsageError: a folder is no data set of ours, or its robot is none that MM-ACT knows.
    """
    adapter = adapter_of(folders, state_mode)
    return Source(adapter.cameras, adapter.state, adapter.vector, to_sides, CHUNK, clamped=False, key=str(adapter))


def adapter_of(folders: Sequence[Path], state_mode: str) -> Adapter:
    """Which robot recorded the data sets: cameras in the model's order, and how its state is made.

    Raises:
        UsageError: a folder is no data set of ours, or its robot is none that MM-ACT knows, or has no such state.
    """
    found = {folder: _robot_of(folder, width) for folder, width in action_widths(folders).items()}
    if len(set(found.values())) > 1:
        each = ", ".join(f"{folder} ({robot})" for folder, robot in found.items())
        raise UsageError(f"the data sets are of different robots: {each}")
    return ROBOTS[found[folders[0]]](state_mode)


def _robot_of(folder: Path, width: int) -> str:
    """Its robot by its actions' numbers; CALVIN's has as many as LIBERO's, and other cameras."""
    if width == TWO_ARMS.dim:
        return "robotwin"
    if width != ONE_ARM.dim:
        raise UsageError(
            f"{folder} has actions of {width} numbers; MM-ACT has {ONE_ARM.dim} (one arm) or {TWO_ARMS.dim} (two arms)"
        )
    return "calvin" if set(CALVIN_CAMERAS) <= camera_names(folder) else "libero"
