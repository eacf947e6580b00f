"""How MMaDA-VLA's robots are wired to environments: cameras, state, words and actions, as in the released code.

The model's chunks go to the environment as they are: un-normalized, and the gripper exactly -1 or 1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

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
from mmact_eval.policies.mmada_vla.policy.options import CHECKS
from mmact_eval.policies.mmada_vla.states import Ranges
from mmact_eval.specs import EnvSpec

_SCENE = re.compile(r"([A-Z_]+_SCENE\d+)_")


@dataclass(frozen=True)
class Adapter(Robot):
    """One kind of robot: ``libero`` or ``calvin``, whose are the action statistics and the sign of the gripper.

    Nothing of a state is scaled here: how it is told is the checkpoint's.

    Attributes:
        chunk: actions in an answer of the published checkpoints.
    """

    model = "MMaDA-VLA"
    chunk: int

    def require_ranges(self, ranges: Ranges | None) -> None:
        """
        Args:
            ranges: by which a checkpoint scales states, if it does.

        Raises:
            UsageError: they are of another robot's.
        """
        if ranges is not None and len(ranges) != sum(self.take):
            raise UsageError(
                f"the checkpoint reads states of {len(ranges)} numbers (state_ranges), and {self.robot}'s have "
                f"{sum(self.take)}"
            )


LIBERO = Adapter(
    "libero", LIBERO_ACTION, LIBERO_CAMERAS, LIBERO_IMAGES, ("eef_pos", "eef_axis_angle", "gripper_qpos"), (3, 3, 2), 5
)
CALVIN = Adapter(
    "calvin", CALVIN_ACTION, CALVIN_CAMERAS, CALVIN_IMAGES,
    ("tcp_pos", "tcp_euler", "gripper_width", "joint_pos", "gripper_action"), (3, 3, 1, 7, 1), 10,
)  # fmt: skip
"""Its state is CALVIN's ``robot_obs``, in this order."""


def adapter_for(env_spec: EnvSpec, instruction: str) -> Adapter:
    """The adapter of the environment's robot; conventions are compared before the run.

    Args:
        env_spec: says which robot it is.
        instruction: as in `Options`.

    Raises:
        UsageError: MMaDA-VLA has no robot with such actions, or its instructions were not changed for training.
    """
    action = env_spec.action
    if action.dim != LIBERO_ACTION.dim:
        raise UsageError(
            f"MMaDA-VLA acts with {LIBERO_ACTION.dim} numbers (ee_delta_pose of one arm, as in LIBERO and CALVIN); "
            f"{env_spec.name} takes {action.dim} ({action.control})."
        )
    if action.rotation != CALVIN_ACTION.rotation:
        return LIBERO
    if instruction == "as_trained":
        raise UsageError(
            f"policy {CHECKS.policy}: instruction=as_trained is for LIBERO; CALVIN's sentences are those it was "
            "trained with"
        )
    return CALVIN


def as_trained(task: str, instruction: str) -> str:
    """LIBERO's instruction as in training, where it was the name of the task's file.

    Of libero-long and libero-90 that begins with the scene: ``KITCHEN SCENE3 turn on the stove …``. Of the other suites
    it is the instruction itself.

    Args:
        task: the benchmark's name of the task, which is its file's.
        instruction: as the environment has it; LIBERO-PRO's may differ from the file's name, and stays.
    """
    scene = _SCENE.match(task)
    return f"{scene[1].replace('_', ' ')} {instruction}" if scene else instruction
