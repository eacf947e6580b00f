"""What observations are altered by, made from the specs of policy and environment, with what each would tell.

An alteration that brings the answers closer to the expert's undoes an error of the same kind: a policy that was trained
on images turned by 180° agrees best when they are turned by 180°.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mmact_eval.specs import EnvSpec, PolicySpec, StateSpec
from mmact_eval.types import Observation

Image = NDArray[np.uint8]
Vector = NDArray[np.float64]
Change = Callable[[Observation], Observation]

IMAGES, STATE, INSTRUCTION = "images", "state", "instruction"


@dataclass(frozen=True)
class Alteration:
    """A change of what the policy is shown.

    Attributes:
        name: in words, ``all images turned by 180°``.
        group: `IMAGES`, `STATE` or `INSTRUCTION`.
        change: makes an observation from an observation.
        family: what it tests, in words: ``orientation of images``.
        remedy: what to do if it makes the answers better; "" for one that only shows whether the policy looks.
        input: what is taken away by one that has no remedy: ``camera wrist``.
    """

    name: str
    group: str
    change: Change
    family: str = ""
    remedy: str = ""
    input: str = ""


def alterations(policy: PolicySpec, env: EnvSpec, rotation: int) -> list[Alteration]:
    """All that apply.

    Args:
        policy: what it looks at.
        env: what that consists of.
        rotation: ``protocol.rotation`` of the suite.
    """
    cameras = tuple(camera for camera in policy.cameras if camera in env.cameras)
    state = {key: env.state[key] for key in policy.state if key in env.state}
    return [
        *_of_images(cameras, env, rotation, policy.image_convention == ""),
        *_of_state(state),
        *_blindness(cameras, state),
    ]


# Images.

_TURNS: Mapping[str, Callable[[Image], Image]] = {
    "turned by 180°": lambda image: image[::-1, ::-1],
    "mirrored left to right": lambda image: image[:, ::-1],
    "upside down (mirrored)": lambda image: image[::-1],
    "turned by 90°": lambda image: np.rot90(image, 1),
    "turned by 270°": lambda image: np.rot90(image, 3),
    "with red and blue exchanged": lambda image: image[..., ::-1],
}


def _of_images(cameras: Sequence[str], env: EnvSpec, rotation: int, takes_any: bool) -> list[Alteration]:
    found = []
    square = all(env.cameras[camera][0] == env.cameras[camera][1] for camera in cameras)
    for name, turn in _TURNS.items() if cameras else ():
        degrees = {"turned by 180°": 180, "turned by 90°": 90, "turned by 270°": 270}.get(name)
        if degrees in (90, 270) and not square:
            continue
        remedy = f"it wants its images {name}: change that in the policy or its server"
        if degrees and takes_any:
            remedy += f", or --set protocol.rotation={(rotation + degrees) % 360} (if nothing else turns them back)"
        label = "all images" if len(cameras) > 1 else f"image of {cameras[0]}"
        family = "colours of images" if "blue" in name else "orientation of images"
        found.append(Alteration(f"{label} {name}", IMAGES, _each_image(cameras, turn), family, remedy))
    for camera in cameras if len(cameras) > 1 else ():
        name = "turned by 180°"
        remedy = f'it wants camera "{camera}" {name}, the others as they are: turn that one in the policy or its server'
        change = _each_image((camera,), _TURNS[name])
        found.append(Alteration(f"image of {camera} {name}", IMAGES, change, "orientation of images", remedy))
    for one, two in itertools.combinations(cameras, 2):
        if env.cameras[one] == env.cameras[two]:
            remedy = f'it takes "{one}" for "{two}": exchange the two where the policy reads them (remote: `rename`)'
            label = f"cameras {one} and {two} exchanged"
            found.append(Alteration(label, IMAGES, _exchange(one, two), "order of cameras", remedy))
    return found


def _each_image(cameras: Sequence[str], turn: Callable[[Image], Image]) -> Change:
    def change(seen: Observation) -> Observation:
        turned = {camera: np.ascontiguousarray(turn(seen.images[camera])) for camera in cameras}
        return replace(seen, images={**seen.images, **turned})

    return change


def _exchange(one: str, two: str) -> Change:
    def change(seen: Observation) -> Observation:
        return replace(seen, images={**seen.images, one: seen.images[two], two: seen.images[one]})

    return change


# State.


def _of_state(state: Mapping[str, StateSpec]) -> list[Alteration]:
    found = []
    for key, spec in state.items():
        for name, turn, remedy in _ways(key, spec):
            change = _one_vector(key, turn)
            found.append(Alteration(f"{key} {name}", STATE, change, f"convention of {key}", f"{remedy} (`{key}`)"))
    for one, two in itertools.combinations(state, 2):
        if state[one].dim == state[two].dim:
            remedy = f"it expects {two} where it gets {one}: mend the order in which the policy puts its state together"
            label, change = f"{one} and {two} exchanged", _exchange_vectors(one, two)
            found.append(Alteration(label, STATE, change, "order of the state", remedy))
    return found


def _ways(key: str, spec: StateSpec) -> list[tuple[str, Callable[[Vector], Vector], str]]:
    """Name, change and remedy of what can be wrong with one vector, from the words of its spec."""
    words = f"{key} {spec.description}".lower()
    for order, other, places in (("xyzw", "wxyz", [3, 0, 1, 2]), ("wxyz", "xyzw", [1, 2, 3, 0])):
        if spec.dim == 4 and order in words:
            reorder = f"it wants quaternions as {other}; the environment gives {order}: reorder them"
            sign = "it wants the other sign of quaternions: choose it as in its training data"
            return [
                (f"as {other}", lambda q, places=places: q[places], reorder),  # type: ignore[misc]
                ("with the other sign", lambda q: -q, sign),
            ]
    if spec.dim == 3 and ("axis" in words and "angle" in words):
        return [
            ("with angles wrapped to ±π", _wrapped, "it wants rotation vectors no longer than π: wrap the angle"),
            ("negated", lambda v: -v, "it wants the opposite rotation: negate the rotation vector"),
        ]
    if any(word in words for word in ("finger", "gripper")) and spec.dim <= 2:
        return [
            ("negated", lambda v: -v, "it wants the gripper's state with the other sign (or the fingers exchanged)")
        ]
    return []


def _wrapped(vector: Vector) -> Vector:
    """The same rotation with an angle from -π to π."""
    angle = float(np.linalg.norm(vector))
    return vector * ((angle - 2 * np.pi) / angle) if angle > np.pi else vector


def _one_vector(key: str, turn: Callable[[Vector], Vector]) -> Change:
    return lambda seen: replace(seen, state={**seen.state, key: turn(np.asarray(seen.state[key], np.float64))})


def _exchange_vectors(one: str, two: str) -> Change:
    return lambda seen: replace(seen, state={**seen.state, one: seen.state[two], two: seen.state[one]})


# What shows whether the policy looks at something at all.


def _blindness(cameras: Sequence[str], state: Mapping[str, StateSpec]) -> list[Alteration]:
    found = [
        Alteration(f"image of {camera} black", IMAGES, _each_image((camera,), np.zeros_like), input=f"camera {camera}")
        for camera in cameras
    ]
    if state:
        zeroed = {key: np.zeros(spec.dim) for key, spec in state.items()}
        change: Change = lambda seen: replace(seen, state={**seen.state, **zeroed})  # noqa: E731
        found.append(Alteration("state zeroed", STATE, change, input=f"state ({', '.join(state)})"))
    without: Change = lambda seen: replace(seen, instruction="")  # noqa: E731
    found.append(Alteration("no instruction", INSTRUCTION, without, input="instruction"))
    return found
