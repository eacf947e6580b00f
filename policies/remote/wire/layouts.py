"""Which keys and vectors an observation has on the wire: presets for openpi's and vla-eval's conventions, and our own.

A layout works in both directions: a client's observation becomes a request, a server makes an observation of it again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mmact_eval.errors import UsageError, did_you_mean
from mmact_eval.policies.remote.wire.calvin import CalvinLayout
from mmact_eval.policies.remote.wire.codec import Dialect
from mmact_eval.policies.remote.wire.images import resize_with_pad
from mmact_eval.policies.remote.wire.reading import instruction_of, map_of, parts_of, picture_of, vector_of
from mmact_eval.specs import ActionSpec, EnvSpec
from mmact_eval.types import Observation

Request = dict[str, Any]

LIBERO_ACTION = ActionSpec(
    dim=7, control="ee_delta_pose", frame="base", rotation="axis_angle", gripper="-1 open, +1 close", hz=20.0
)
"""What policies trained on LIBERO answer with, and its environments take."""

_OPENPI_SIZE = 224
_LIBERO_STATE = {"eef_pos": 3, "eef_axis_angle": 3, "gripper_qpos": 2}
_TRAINED_ON = "rotated 180°"


class Layout(Protocol):
    """A convention of requests.

    Attributes:
        name: what ``preset`` is called.
        cameras, state: what of the environment it sends, by the environment's names.
        image_convention: orientation that its images are taken from, in the environment's words; "" for any.
        action: the convention of the answers.
        replan: how many actions of an answer are executed by those who made the convention.
        keys: the keys of a request.
        unit: what 1 in an answer is in the environment's actions, (D,); None where they are alike.
    """

    name: str
    cameras: tuple[str, ...]
    state: tuple[str, ...]
    image_convention: str
    action: ActionSpec
    replan: int
    keys: tuple[str, ...]
    unit: NDArray[np.float64] | None

    def request(self, observation: Observation) -> Request:
        """What a client sends."""
        ...

    def observation(self, request: Mapping[str, Any]) -> Observation:
        """What a server makes of it.

        Raises:
            WireError: the request is not of this layout; says which key is missing or wrong.
        """
        ...


class LiberoLayout:
    """LIBERO as openpi's and vla-eval's evaluation loops send it: two cameras rotated by 180°, eight numbers of state.

    The numbers are position (m), axis-angle (rad, angle from 0 to 2π) and the two finger joints (m). openpi's images
    are padded to 224×224, vla-eval's are as large as they are rendered.
    """

    name = "libero"
    cameras: tuple[str, ...] = ("agentview", "wrist")
    state: tuple[str, ...] = tuple(_LIBERO_STATE)
    action = LIBERO_ACTION
    unit: NDArray[np.float64] | None = None

    def __init__(self, env_spec: EnvSpec, dialect: Dialect, size: int | None = None) -> None:
        self._turn = _half_turn(env_spec.image_convention)
        self.image_convention = env_spec.image_convention
        self._openpi = dialect == "openpi"
        self._size = size or (_OPENPI_SIZE if self._openpi else None)
        self.replan = 5 if self._openpi else 1
        theirs = ("observation/image", "observation/wrist_image", "observation/state", "prompt")
        self.keys: tuple[str, ...] = theirs if self._openpi else ("images", "task_description", "states")

    def request(self, observation: Observation) -> Request:
        front, wrist = (self._sent(observation.images[camera]) for camera in self.cameras)
        state = np.concatenate([observation.state[key] for key in self.state])
        if self._openpi:
            images: Request = {"observation/image": front, "observation/wrist_image": wrist}
            return {**images, "observation/state": state, "prompt": observation.instruction}
        images = {"agentview": front, "wrist": wrist}
        return {"images": images, "task_description": observation.instruction, "states": state}

    def observation(self, request: Mapping[str, Any]) -> Observation:
        if self._openpi:
            found = {"agentview": request.get("observation/image"), "wrist": request.get("observation/wrist_image")}
            state, prompt = request.get("observation/state"), instruction_of(request, "prompt")
        else:
            found = dict(map_of(request, "images"))
            state = request.get("states", request.get("state"))
            prompt = instruction_of(request, "task_description")
        given = {camera: picture for camera, picture in found.items() if picture is not None}
        images = {camera: self._turn(picture_of(picture, camera)) for camera, picture in given.items()}
        values = {} if state is None else parts_of(state, _LIBERO_STATE)
        if values:
            values["eef_quat"] = _quaternion(values["eef_axis_angle"])
        return Observation(images, values, prompt)

    def upright(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """An image of the environment in the orientation policies were trained on."""
        return self._turn(picture)

    def _sent(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        turned = self.upright(picture)
        return turned if self._size is None else resize_with_pad(turned, self._size, self._size)


class RobotwinLayout:
    """RoboTwin as its pi0 baseline and vla-eval send it: head and wrist cameras, 14 joint targets.

    openpi's images are (3, H, W) and named as ALOHA's; ours are padded to 224×224 before sending, which its servers
    would do with the same code.
    """

    name = "robotwin"
    unit: NDArray[np.float64] | None = None
    _ALOHA = ("cam_high", "cam_left_wrist", "cam_right_wrist")
    _VLA_EVAL = ("head_camera", "left_camera", "right_camera")

    def __init__(self, env_spec: EnvSpec, dialect: Dialect, size: int | None = None) -> None:
        self.cameras = tuple(_named(env_spec, env_spec.cameras, part) for part in ("head", "left", "right"))
        if env_spec.action.control != "joint_position":
            raise UsageError(
                f"preset robotwin: these policies command joints, {env_spec.name} takes {env_spec.action.control}. "
                "Use --set env_args.action=qpos."
            )
        joints = [key for key, spec in env_spec.state.items() if spec.dim == env_spec.action.dim]
        if len(joints) != 1:
            raise UsageError(
                f"preset robotwin: {env_spec.name} must offer one state vector as long as an action "
                f"({env_spec.action.dim}); it has {', '.join(joints) or 'none'}."
            )
        self.state = tuple(joints)
        self.image_convention = env_spec.image_convention
        self.action = env_spec.action
        self._openpi = dialect == "openpi"
        self.replan = 50 if self._openpi else 1
        self._size = size or (_OPENPI_SIZE if self._openpi else None)
        theirs = ("images", "state", "prompt")
        self.keys: tuple[str, ...] = theirs if self._openpi else ("images", "task_description", "joint_state")

    def request(self, observation: Observation) -> Request:
        pictures = [observation.images[camera] for camera in self.cameras]
        if self._size is not None:
            pictures = [resize_with_pad(picture, self._size, self._size) for picture in pictures]
        state = observation.state[self.state[0]]
        if not self._openpi:
            images = dict(zip(self._VLA_EVAL, pictures, strict=True))
            return {"images": images, "task_description": observation.instruction, "joint_state": state}
        chw = [np.ascontiguousarray(picture.transpose(2, 0, 1)) for picture in pictures]
        return {"images": dict(zip(self._ALOHA, chw, strict=True)), "state": state, "prompt": observation.instruction}

    def observation(self, request: Mapping[str, Any]) -> Observation:
        found = map_of(request, "images")
        names = self._ALOHA if self._openpi else self._VLA_EVAL
        images = {}
        for camera, name in zip(self.cameras, names, strict=True):
            if name in found:
                picture = found[name]
                chw = self._openpi and isinstance(picture, np.ndarray) and picture.ndim == 3 and len(picture) == 3
                images[camera] = picture_of(picture.transpose(1, 2, 0) if chw else picture, name)
        state = request.get("state" if self._openpi else "joint_state")
        values = {} if state is None else {self.state[0]: vector_of(state, "the state")}
        prompt = instruction_of(request, "prompt" if self._openpi else "task_description")
        return Observation(images, values, prompt)


class NativeLayout:
    """Observations as they are: any cameras and state vectors by their names, not a bit changed."""

    name = "native"
    image_convention = ""
    replan = 1
    keys: tuple[str, ...] = ("images", "state", "prompt")
    unit: NDArray[np.float64] | None = None

    def __init__(self, cameras: tuple[str, ...], state: tuple[str, ...], action: ActionSpec) -> None:
        self.cameras, self.state, self.action = cameras, state, action

    def request(self, observation: Observation) -> Request:
        return {
            "images": {camera: observation.images[camera] for camera in self.cameras},
            "state": {key: observation.state[key] for key in self.state},
            "prompt": observation.instruction,
        }

    def observation(self, request: Mapping[str, Any]) -> Observation:
        images = {str(name): picture_of(picture, name) for name, picture in map_of(request, "images").items()}
        state = {str(key): vector_of(vector, key) for key, vector in map_of(request, "state").items()}
        return Observation(images, state, instruction_of(request, "prompt", "task_description"))


_PRESETS: dict[str, Callable[[EnvSpec, Dialect, int | None], Layout]] = {
    "calvin": CalvinLayout,
    "libero": LiberoLayout,
    "robotwin": RobotwinLayout,
}


def preset(name: str, env_spec: EnvSpec, dialect: Dialect, size: int | None = None) -> Layout:
    """The layout of this name; ``auto`` is the environment's.

    Raises:
        UsageError: there is none, or the environment does not offer what it sends.
    """
    wanted = env_spec.name if name == "auto" else str(name)
    if wanted not in _PRESETS:
        raise UsageError(
            f'there is no preset "{wanted}" for requests of environment {env_spec.name}; known: '
            f"{', '.join(_PRESETS)}.{did_you_mean(wanted, _PRESETS)} A server of `mmact-eval serve` needs none."
        )
    return _PRESETS[wanted](env_spec, dialect, size)


def _quaternion(axis_angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """xyzw."""
    angle = float(np.linalg.norm(axis_angle))
    axis = axis_angle / angle if angle > 0 else axis_angle
    return np.append(axis * np.sin(angle / 2), np.cos(angle / 2))


def _half_turn(image_convention: str) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    """What brings LIBERO's images into the orientation that policies were trained on.

    Raises:
        UsageError: the environment's images are neither as rendered nor rotated by 180°.
    """
    if image_convention == _TRAINED_ON:
        return lambda picture: picture
    if image_convention == "as rendered, upside down":
        return lambda picture: np.ascontiguousarray(picture[::-1, ::-1])
    raise UsageError(
        f'preset libero: policies were trained on images "{_TRAINED_ON}", the environment gives "{image_convention}". '
        "Use --set protocol.rotation=180."
    )


def _named(env_spec: EnvSpec, offered: Mapping[str, Any], part: str) -> str:
    found = [name for name in offered if part in name]
    if len(found) != 1:
        raise UsageError(
            f'preset robotwin: one camera with "{part}" in its name is needed; {env_spec.name} offers '
            f"{', '.join(offered) or 'none'}."
        )
    return found[0]
