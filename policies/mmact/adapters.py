"""How MM-ACT's robots are wired to environments: cameras, state and actions, as in the released evaluation.

The model's chunks go to the environment as they are. LIBERO: OSC deltas in [-1, 1], the gripper -1 open and +1 closed,
neither turned into one of two values nor inverted. CALVIN, for which the authors have released nothing, likewise in its
own relative actions, the gripper +1 open. RoboTwin: absolute poses in metres and wxyz quaternions (not
normalized; the planner does that), grippers 0 shut to 1 open.
"""

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
    Robot,
)
from mmact_eval.policies.mmact.prompts import ONE_ARM, TWO_ARMS
from mmact_eval.specs import ActionSpec, EnvSpec

_ANGLE_SCALE = 5.0
"""What numbers 3 to 5 of LIBERO's state are divided by: angles must fit into [-1, 1]. The released evaluation divides
the same places when they hold joint angles."""


@dataclass(frozen=True)
class Adapter(Robot):
    """One kind of robot: ``libero``, ``calvin`` or ``robotwin``.

    Attributes:
        width: numbers in the model's state.
        scaled: the numbers of the state that are divided by `_ANGLE_SCALE`.
    """

    model = "MM-ACT"
    width: int
    scaled: tuple[int, ...] = ()

    def vector(self, state: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """See `Robot.vector`: (8,) or (16,)."""
        vector = super().vector(state)
        vector[list(self.scaled)] /= _ANGLE_SCALE
        return vector


_ROBOTWIN_ACTION = ActionSpec(
    dim=TWO_ARMS.dim, control="ee_pose", frame="world", rotation="quat_wxyz", gripper="0 shut, 1 open, at 7 and 15",
    low=-2.0, high=2.0, hz=0.0,
)  # fmt: skip

_LIBERO_STATES: Mapping[str, tuple[tuple[str, ...], tuple[int, ...]]] = {
    # What the released evaluation feeds: joint angles, and one finger.
    "as_released": (("joint_pos", "gripper_qpos"), (7, 1)),
    # What the training data hold.
    "eef_axisangle_gripper2": (("eef_pos", "eef_axis_angle", "gripper_qpos"), (3, 3, 2)),
}


def one_arm(state_mode: str) -> Adapter:
    """LIBERO's Panda. Pictures turned otherwise are refused before the run, by `image_convention`."""
    keys, take = _LIBERO_STATES[state_mode]
    return Adapter("libero", LIBERO_ACTION, LIBERO_CAMERAS, LIBERO_IMAGES, keys, take, ONE_ARM.state, scaled=(3, 4, 5))


def calvin_arm(state_mode: str) -> Adapter:
    """CALVIN's Panda: the two cameras as they are drawn, pose of the hand, its opening and the last gripper command.

    The authors have no such robot. What is like LIBERO's is done as there, angles of the state divided as well.

    Raises:
        UsageError: a state mode that only LIBERO has.
    """
    _require_released(state_mode, "CALVIN's observations")
    keys, take = ("tcp_pos", "tcp_euler", "gripper_width", "gripper_action"), (3, 3, 1, 1)
    return Adapter("calvin", CALVIN_ACTION, CALVIN_CAMERAS, CALVIN_IMAGES, keys, take, ONE_ARM.state, scaled=(3, 4, 5))


def two_arms(state_mode: str) -> Adapter:
    """RoboTwin's pair of arms, commanded by poses of the hands; images upright, states raw.

    Raises:
        UsageError: a state mode that only LIBERO has.
    """
    _require_released(state_mode, "two arms")
    cameras = ("head_camera", "left_camera", "right_camera")
    return Adapter("robotwin", _ROBOTWIN_ACTION, cameras, "upright", ("endpose",), (16,), TWO_ARMS.state)


def _require_released(state_mode: str, whose: str) -> None:
    if state_mode != "as_released":
        raise UsageError(
            f"MM-ACT: state_mode={state_mode} is for one arm of LIBERO; {whose} have one state only, "
            "state_mode=as_released"
        )


def adapter_for(env_spec: EnvSpec, state_mode: str) -> Adapter:
    """The adapter of the environment's robot; conventions are compared before the run.

    Raises:
        UsageError: MM-ACT has no robot with such actions.
    """
    action = env_spec.action
    if action.dim == ONE_ARM.dim:
        return calvin_arm(state_mode) if action.rotation == CALVIN_ACTION.rotation else one_arm(state_mode)
    if action.dim == TWO_ARMS.dim:
        return two_arms(state_mode)
    hint = " Use --set env_args.action=ee." if env_spec.name == "robotwin" else ""
    raise UsageError(
        f"MM-ACT acts with {ONE_ARM.dim} numbers (ee_delta_pose, as in LIBERO and CALVIN) or {TWO_ARMS.dim} (ee_pose, "
        f"as in RoboTwin); {env_spec.name} takes {action.dim} ({action.control}).{hint}"
    )
