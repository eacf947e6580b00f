"""What an arm of LIBERO or CALVIN takes and shows, whichever model drives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mmact_eval.errors import UsageError
from mmact_eval.specs import ActionSpec
from mmact_eval.types import Observation

LIBERO_ACTION = ActionSpec(
    dim=7, control="ee_delta_pose", frame="base", rotation="axis_angle", gripper="-1 open, +1 close",
    low=-1.0, high=1.0, hz=20.0,
)  # fmt: skip
CALVIN_ACTION = ActionSpec(
    dim=7, control="ee_delta_pose", frame="world", rotation="euler_xyz", gripper="-1 close, +1 open",
    low=-1.0, high=1.0, hz=30.0,
)  # fmt: skip

LIBERO_CAMERAS, CALVIN_CAMERAS = ("agentview", "wrist"), ("static", "gripper")
"""The view of the scene, and that of the hand."""

LIBERO_IMAGES, CALVIN_IMAGES = "rotated 180°", "upright"
"""Orientations in the environments' words. LIBERO's camera buffer is upside down. Authors turn it by 180° for training
and evaluation; a suite with ``rotation: 180``, as LIBERO's have, hands out just that, upright."""


@dataclass(frozen=True)
class Robot:
    """One kind of robot, as a model drives it.

    Attributes:
        model: whose robot it is, for messages.
        robot: its name: ``libero``, ``calvin``, …
        action: the convention of the model's actions.
        cameras: in the order of the model's views, that of the scene first.
        image_convention: orientation that the model was trained on, in the environment's words.
        state: keys whose vectors, one after the other, make the model's state.
        take: how many numbers of each are used.
    """

    model: ClassVar[str]
    robot: str
    action: ActionSpec
    cameras: tuple[str, ...]
    image_convention: str
    state: tuple[str, ...]
    take: tuple[int, ...]

    def views(self, observation: Observation) -> list[NDArray[np.uint8]]:
        """The images in the model's order, as they come: the environment has turned them."""
        return [np.asarray(observation.images[camera]) for camera in self.cameras]

    def vector(self, state: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """The model's state, as many float64 as are taken.

        Raises:
            UsageError: the environment's vectors are shorter than that.
        """
        taken = zip(self.state, self.take, strict=True)
        vector = np.concatenate([np.asarray(state[key], np.float64).ravel()[:most] for key, most in taken])
        if vector.shape != (sum(self.take),):
            widths = ", ".join(f"{key} of {np.size(state[key])}" for key in self.state)
            raise UsageError(
                f"{self.model} makes its state of {sum(self.take)} numbers from {', '.join(self.state)}; got {widths}"
            )
        return vector
