"""Which robots there are: cameras, state and actions of LIBERO's arm and CALVIN's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmact_eval.errors import UsageError
from mmact_eval.policies.llada.policy.robots import (
    CALVIN_ACTION,
    CALVIN_CAMERAS,
    CALVIN_IMAGES,
    LIBERO_ACTION,
    LIBERO_CAMERAS,
    LIBERO_IMAGES,
    joined,
    views,
)
from mmact_eval.policies.vit_mlp.config import DIM
from mmact_eval.specs import ActionSpec, EnvSpec
from mmact_eval.types import Observation


@dataclass(frozen=True)
class Robot:
    """One kind of robot.

    Attributes:
        name: in config.json.
        action: the convention of its actions.
        cameras: the view of the scene, and that of the hand.
        image_convention: orientation that the model was trained on, in the environment's words.
        state: keys whose vectors, one after the other, make the state.
        take: how many numbers of each.
    """

    name: str
    action: ActionSpec
    cameras: tuple[str, ...]
    image_convention: str
    state: tuple[str, ...]
    take: tuple[int, ...]

    def views(self, observation: Observation) -> list[NDArray[np.uint8]]:
        """The images in this order, as they come: the environment has turned them."""
        return views(observation, self.cameras)

    def vector(self, state: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """The state, (8,) float64.

        Raises:
            UsageError: the environment's vectors are shorter than that.
        """
        return joined("ViT + MLP", state, self.state, self.take, sum(self.take))


LIBERO = Robot(
    "libero", LIBERO_ACTION, LIBERO_CAMERAS, LIBERO_IMAGES, ("eef_pos", "eef_axis_angle", "gripper_qpos"), (3, 3, 2)
)
CALVIN = Robot(
    "calvin", CALVIN_ACTION, CALVIN_CAMERAS, CALVIN_IMAGES,
    ("tcp_pos", "tcp_euler", "gripper_width", "gripper_action"), (3, 3, 1, 1),
)  # fmt: skip
ROBOTS: Mapping[str, Robot] = {robot.name: robot for robot in (LIBERO, CALVIN)}


def robot_of(env_spec: EnvSpec) -> Robot:
    """The environment's robot; conventions are compared before the run.

    Raises:
        UsageError: there is none with such actions.
    """
    action = env_spec.action
    if action.dim != DIM:
        raise UsageError(
            f"ViT + MLP acts with {DIM} numbers (ee_delta_pose of one arm, as in LIBERO and CALVIN); {env_spec.name} "
            f"takes {action.dim} ({action.control})."
        )
    return CALVIN if action.rotation == CALVIN_ACTION.rotation else LIBERO
