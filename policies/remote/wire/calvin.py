"""How other people's evaluations of CALVIN send observations: RLinf's client of openpi servers, and vla-eval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmact_eval.errors import UsageError
from mmact_eval.policies.remote.wire.codec import Dialect
from mmact_eval.policies.remote.wire.images import resize_with_pad
from mmact_eval.policies.remote.wire.reading import instruction_of, map_of, parts_of, picture_of
from mmact_eval.specs import ActionSpec, EnvSpec
from mmact_eval.types import Observation

CALVIN_ACTION = ActionSpec(
    dim=7, control="ee_delta_pose", frame="world", rotation="euler_xyz", gripper="-1 close, +1 open", hz=30.0
)
"""What policies trained on CALVIN's relative actions answer with, and its environments take."""

_METRES_AND_RADIANS = np.array([1 / 0.02] * 3 + [1 / 0.05] * 3 + [1.0])
"""A metre and a radian in the environment's actions."""


class CalvinLayout:
    """CALVIN's two cameras as they are drawn (200×200 and 84×84), pose and opening of the hand, the sentence.

    openpi, as RLinf's evaluation asks its servers: seven numbers of state, also in three parts; actions in the
    environment's units, of which five are executed. vla-eval: eight numbers of state, the last gripper command among
    them; actions in metres and radians, one at a time. Its loop adds them up from the pose measured where a task
    begins, CALVIN's own from the last target, which differ by what the arm lags behind there.
    """

    name = "calvin"
    cameras: tuple[str, ...] = ("static", "gripper")
    action = CALVIN_ACTION
    _HAND: Mapping[str, int] = {"tcp_pos": 3, "tcp_euler": 3, "gripper_width": 1}
    _OPENPI_IMAGES = ("observation/image", "observation/wrist_image")
    _OPENPI_PARTS = ("observation/state_ee_pos", "observation/state_ee_rot", "observation/state_gripper")
    _VLA_EVAL_IMAGES = ("rgb_static", "rgb_gripper")

    def __init__(self, env_spec: EnvSpec, dialect: Dialect, size: int | None = None) -> None:
        missing = [key for key in self._HAND if key not in env_spec.state]
        if missing:
            raise UsageError(f"preset calvin: {env_spec.name} has no state {', '.join(missing)}; it is for env: calvin")
        self.image_convention = env_spec.image_convention
        self._openpi = dialect == "openpi"
        self._parts = dict(self._HAND) if self._openpi else {**self._HAND, "gripper_action": 1}
        self._size = size
        self.state = tuple(self._parts)
        self.replan = 5 if self._openpi else 1
        self.unit: NDArray[np.float64] | None = None if self._openpi else _METRES_AND_RADIANS
        theirs = (*self._OPENPI_IMAGES, "observation/state", *self._OPENPI_PARTS, "prompt")
        self.keys: tuple[str, ...] = theirs if self._openpi else ("images", "task_description", "states")

    def request(self, observation: Observation) -> dict[str, Any]:
        pictures = [self._sent(observation.images[camera]) for camera in self.cameras]
        state = np.concatenate([observation.state[key] for key in self.state])
        if not self._openpi:
            images = dict(zip(self._VLA_EVAL_IMAGES, pictures, strict=True))
            vector = state.astype(np.float32)
            return {"images": images, "task_description": observation.instruction, "states": vector}
        parts = {name: observation.state[key] for name, key in zip(self._OPENPI_PARTS, self._HAND, strict=True)}
        request: dict[str, Any] = dict(zip(self._OPENPI_IMAGES, pictures, strict=True))
        return {**request, "observation/state": state, **parts, "prompt": observation.instruction}

    def observation(self, request: Mapping[str, Any]) -> Observation:
        if self._openpi:
            found: Mapping[str, Any] = request
            names, state = self._OPENPI_IMAGES, request.get("observation/state", self._joined(request))
            prompt = instruction_of(request, "prompt")
        else:
            found, names = map_of(request, "images"), self._VLA_EVAL_IMAGES
            state = request.get("states", request.get("state"))
            prompt = instruction_of(request, "task_description")
        images = {
            camera: picture_of(found[name], name)
            for camera, name in zip(self.cameras, names, strict=True)
            if found.get(name) is not None
        }
        return Observation(images, {} if state is None else parts_of(state, self._parts), prompt)

    def _joined(self, request: Mapping[str, Any]) -> NDArray[Any] | None:
        parts = [request[name] for name in self._OPENPI_PARTS if request.get(name) is not None]
        return np.concatenate([np.ravel(part) for part in parts]) if len(parts) == len(self._OPENPI_PARTS) else None

    def _sent(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return picture if self._size is None else resize_with_pad(picture, self._size, self._size)
