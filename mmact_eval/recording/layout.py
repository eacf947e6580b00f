"""What a frame of a data set consists of: columns, their types, and how LeRobot describes them.

The columns follow from what the environment offers, so that another robot needs no other code. Names that start with
``action`` or ``observation`` have a meaning for LeRobot's training code (outputs and inputs of a policy), which is why
the clean action is ``intended_action``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mmact_eval.errors import UsageError
from mmact_eval.specs import EnvSpec

ImageFormat = Literal["video", "png"]

STATE = "observation.state"
ACTION = "action"
INTENDED_ACTION = "intended_action"
INSTRUCTION = "instruction"
SUBTASK = "subtask"
SUBTASK_INDEX = "subtask_index"
SUBGOAL = "subgoal_frame_index"
IMAGE_AGE = "image_age"

Vector = NDArray[np.float32]


@dataclass(frozen=True)
class Frame:
    """What was seen, and what was done then.

    Attributes:
        images: camera → (H, W, 3) uint8.
        states: state column → float32 vector.
        action: as executed, float32.
        intended: as the policy meant it, float32.
        instruction: the task in words; that of the stage, where the episode has several.
        subtask: the policy's text at its last query.
        age: steps since the images were drawn; 0 unless only every k-th frame is drawn.
    """

    images: Mapping[str, NDArray[np.uint8]]
    states: Mapping[str, Vector]
    action: Vector
    intended: Vector
    instruction: str
    subtask: str | None
    age: int = 0


@dataclass(frozen=True)
class Layout:
    """The columns of a data set.

    Attributes:
        fps: frames a second, the control frequency.
        action_dim: length of an action.
        states: column → the state keys whose vectors it holds, one after the other.
        state_dims: state key → length.
        cameras: camera → (height, width) in pixels.
        images: ``video`` (H.264) or ``png`` (lossless, inside the data files).
        every: frames between two that have pictures of their own; the others repeat the last ones.
    """

    fps: float
    action_dim: int
    states: Mapping[str, tuple[str, ...]]
    state_dims: Mapping[str, int]
    cameras: Mapping[str, tuple[int, int]]
    images: ImageFormat = "video"
    every: int = 1

    @classmethod
    def of(cls, env: EnvSpec, images: ImageFormat = "video", every: int = 1) -> Layout:
        """The layout for an environment.

        ``observation.state`` holds `EnvSpec.proprioception`, all other state vectors have a column of their own.

        Raises:
            UsageError: a video cannot hold the environment's images, or its actions have no fixed duration.
        """
        if not env.action.hz:
            raise UsageError(
                f"{env.name}'s actions have no fixed duration, and a LeRobot data set needs so many frames a second: "
                "it cannot be recorded yet."
            )
        together = env.proprioception or tuple(env.state)
        states = {STATE: together} if together else {}
        states |= {f"observation.{key}": (key,) for key in env.state if key not in together}
        for camera, (height, width) in env.cameras.items():
            if images == "video" and (height % 2 or width % 2):
                raise UsageError(
                    f'images of camera "{camera}" are {height}×{width} pixels; H.264 needs even numbers. '
                    "Use --images png or --set protocol.resolution=…"
                )
        dims = {key: spec.dim for key, spec in env.state.items()}
        return cls(env.action.hz, env.action.dim, states, dims, dict(env.cameras), images, every)

    def vectors(self) -> dict[str, int]:
        """Column → length, of all columns with a vector a frame."""
        found = {column: sum(self.state_dims[key] for key in keys) for column, keys in self.states.items()}
        return {**found, ACTION: self.action_dim, INTENDED_ACTION: self.action_dim}

    def state_vectors(self, state: Mapping[str, NDArray[np.float64]]) -> dict[str, Vector]:
        """The state columns of an observation."""
        return {
            column: np.concatenate([np.atleast_1d(state[key]) for key in keys]).astype(np.float32)
            for column, keys in self.states.items()
        }

    def features(self, with_subtasks: bool) -> dict[str, dict[str, Any]]:
        """What LeRobot's ``info.json`` says of each column."""
        found = {image_column(camera): self._image_feature(*size) for camera, size in self.cameras.items()}
        for column, dim in self.vectors().items():
            keys = self.states.get(column)
            parts = [(key, self.state_dims[key]) for key in keys] if keys else [("action", dim)]
            names = [f"{key}_{i}" if length > 1 else key for key, length in parts for i in range(length)]
            found[column] = {"dtype": "float32", "shape": [dim], "names": names}
        scalars = {"next.done": "bool", "next.success": "bool", "timestamp": "float32", "frame_index": "int64"}
        scalars |= {"episode_index": "int64", "index": "int64", "task_index": "int64"}
        if with_subtasks:
            scalars |= {SUBTASK_INDEX: "int64", SUBGOAL: "int64"}
        if self.every > 1:
            scalars[IMAGE_AGE] = "int64"
        return found | {column: {"dtype": dtype, "shape": [1], "names": None} for column, dtype in scalars.items()}

    def _image_feature(self, height: int, width: int) -> dict[str, Any]:
        described: dict[str, Any] = {
            "dtype": "image" if self.images == "png" else "video",
            "shape": [height, width, 3],
            "names": ["height", "width", "channels"],
        }
        if self.images == "video":
            described["info"] = {
                "video.height": height,
                "video.width": width,
                "video.codec": "h264",
                "video.pix_fmt": "yuv420p",
                "video.is_depth_map": False,
                "video.fps": whole(self.fps),
                "video.channels": 3,
                "has_audio": False,
            }
        return described


def image_column(camera: str) -> str:
    """The name of a camera's images."""
    return f"observation.images.{camera}"


def whole(number: float) -> float | int:
    """An integer where the number is one: LeRobot takes frames a second for one."""
    return int(number) if float(number).is_integer() else number
