"""The ground truth of a CALVIN scene, as the expert thinks of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from mmact_eval.errors import UsageError
from mmact_eval.policies.expert.geometry import Array

BLOCK_LENGTHS: Mapping[str, float] = {"small": 0.04, "middle": 0.056, "big": 0.08}
"""Name of a block's size → its length along its own x, m. Source: the block descriptions of mees/calvin_env, × 0.8."""

BLOCK_WIDTH = 0.04
"""Its other two sides, m."""


@dataclass(frozen=True)
class Block:
    """One block.

    Attributes:
        color: its colour.
        size: (3,) its sides, m.
        position: (3,) its centre, m.
        rotation: (3, 3), its axes as columns.
        touches: (body, link) of what touches it.
    """

    color: str
    size: Array
    position: Array
    rotation: Array
    touches: frozenset[tuple[str, str]]

    @property
    def name(self) -> str:
        """In words."""
        return f"the {self.color} block"

    @property
    def half_height(self) -> float:
        """From its centre up to its highest corner, m."""
        return float(np.abs(self.rotation[2]) @ self.size / 2)

    @property
    def bodies(self) -> frozenset[str]:
        """The bodies that touch it."""
        return frozenset(body for body, _ in self.touches)

    def stands_on(self, link: str) -> bool:
        """Whether it touches that link of the table."""
        return ("table", link) in self.touches


@dataclass(frozen=True)
class Scene:
    """Everything at one moment; world frame, m and rad.

    Attributes:
        task: name of the task under way.
        position: (3,) of the tool centre point.
        rotation: (3, 3) of the hand; its z points out of it, its fingers move along its y.
        target: (6,) position and Euler angles that the controller is going to. Actions add to it; the angles are not
            wrapped.
        width: opening width of the gripper.
        slide, drawer, switch: how far they are.
        blocks: by colour.
        held: the block that the robot alone touches, if any.
    """

    task: str
    position: Array
    rotation: Array
    target: Array
    width: float
    slide: float
    drawer: float
    switch: float
    blocks: Mapping[str, Block]
    held: Block | None

    @classmethod
    def of(cls, privileged: Mapping[str, Any] | None) -> Scene:
        """From what `Observation.privileged` holds.

        Raises:
            UsageError: it is not there, or it is of a scene that the expert does not know.
        """
        if privileged is None:
            raise UsageError("the expert needs ground truth, and the observation has none")
        if privileged["scene"] != "D":
            raise UsageError(f"the expert knows CALVIN's scene D, not {privileged['scene']}")
        blocks = {color: _block(color, found) for color, found in privileged["blocks"].items()}
        robot = np.asarray(privileged["robot_obs"], np.float64)
        held = [blocks[body] for body in privileged["robot_touches"] if body in blocks]
        return cls(
            task=privileged["task"],
            position=robot[:3],
            rotation=Rotation.from_euler("xyz", robot[3:6]).as_matrix(),
            target=np.asarray(privileged["robot_target"], np.float64),
            width=float(robot[6]),
            slide=float(privileged["slide"]),
            drawer=float(privileged["drawer"]),
            switch=float(privileged["switch"]),
            blocks=blocks,
            held=next((block for block in held if block.bodies == {"robot"}), None),
        )


def _block(color: str, found: Mapping[str, Any]) -> Block:
    return Block(
        color=color,
        size=np.array([BLOCK_LENGTHS[found["size"]], BLOCK_WIDTH, BLOCK_WIDTH]),
        position=np.asarray(found["position"], np.float64),
        rotation=Rotation.from_quat(found["quaternion"]).as_matrix(),
        touches=frozenset((body, link) for body, link in found["touches"]),
    )
