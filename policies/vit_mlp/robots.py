"""Which robots there are: cameras, state and actions of LIBERO's arm and CALVIN's."""

from __future__ import annotations

from collections.abc import Mapping

from mmact_eval.errors import UsageError
from mmact_eval.policies.llada.policy.robots import (
    CALVIN_ACTION,
    CALVIN_CAMERAS,
    CALVIN_IMAGES,
    LIBERO_ACTION,
    LIBERO_CAMERAS,
    LIBERO_IMAGES,
    Robot,
)
from mmact_eval.policies.vit_mlp.config import DIM
from mmact_eval.specs import EnvSpec


class Arm(Robot):
    """LIBERO's or CALVIN's."""

    model = "ViT + MLP"


LIBERO = Arm(
    "libero", LIBERO_ACTION, LIBERO_CAMERAS, LIBERO_IMAGES, ("eef_pos", "eef_axis_angle", "gripper_qpos"), (3, 3, 2)
)
CALVIN = Arm(
    "calvin", CALVIN_ACTION, CALVIN_CAMERAS, CALVIN_IMAGES,
    ("tcp_pos", "tcp_euler", "gripper_width", "gripper_action"), (3, 3, 1, 1),
)  # fmt: skip
ROBOTS: Mapping[str, Arm] = {robot.robot: robot for robot in (LIBERO, CALVIN)}


def robot_of(env_spec: EnvSpec) -> Arm:
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
