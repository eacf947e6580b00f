"""What XPolicyLab's observations and chunks have in common in all environments (its observation format v1.0).

An observation has ``vision`` (camera → ``color``, RGB), ``state`` (named vectors; poses are position, m, and quaternion
wxyz), ``instruction`` and ``additional_info``. A chunk is a list of actions; an action is a map of named parts, or a
vector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mmact_eval.policies.remote.wire.codec import Unreadable, WireError
from mmact_eval.policies.remote.wire.reading import instruction_of, map_of, picture_of, vector_of
from mmact_eval.specs import ActionSpec
from mmact_eval.types import Observation

Actions = NDArray[np.float64]

ACTION_TYPES: Mapping[str, str] = {"joint": "joint", "qpos": "joint", "ee": "ee", "endpose": "ee"}
"""What is said for an action type → which it is."""


class Layout(Protocol):
    """A convention of observations and actions.

    Attributes:
        name: what ``preset`` is called.
        cameras, state: what of the environment it sends, by the environment's names.
        image_convention: orientation that its images are taken from, in the environment's words.
        action: the convention of the actions.
        action_type: ``joint`` or ``ee``, as clients and servers tell each other.
    """

    name: str
    cameras: tuple[str, ...]
    state: tuple[str, ...]
    image_convention: str
    action: ActionSpec
    action_type: str

    def request(self, observation: Observation) -> dict[str, Any]:
        """The observation that a client sends."""
        ...

    def observation(self, request: Mapping[str, Any]) -> Observation:
        """What a server makes of it.

        Raises:
            WireError: it is not of this layout; says which key is missing or wrong.
        """
        ...

    def chunk(self, answered: object, seen: Observation, server: str) -> Actions:
        """The (T, D) actions that a server has answered.

        Args:
            answered: the ``actions`` of its answer.
            seen: what it was asked about.
            server: its address, for messages.

        Raises:
            Refused: they are not this environment's, nor will they be.
            WireError: they cannot be read.
        """
        ...

    def answer(self, actions: NDArray[np.float32]) -> list[Any]:
        """A (T, D) chunk as a server answers it; its own inverse with `chunk`."""
        ...


def sent(pictures: Mapping[str, NDArray[np.uint8]], state: Mapping[str, Any], prompt: str, hz: int) -> dict[str, Any]:
    """An observation as it goes over the wire, numbers as float32."""
    return {
        "data_format_version": "v1.0",
        "instruction": prompt,
        "instructions": [prompt],
        "env_idx": 0,
        "vision": {name: {"color": picture, "shape": picture.shape[:2]} for name, picture in pictures.items()},
        "state": {name: np.asarray(vector, np.float32) for name, vector in state.items()},
        "additional_info": {"frequency": hz},
    }


def pictures_of(request: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, NDArray[np.uint8]]:
    """Those images of a request that are there, by the environment's names.

    Args:
        request: from the wire.
        names: the environment's camera → XPolicyLab's.

    Raises:
        WireError: one of them is no image.
    """
    vision = map_of(request, "vision")
    cameras = {camera: map_of(vision, name) for camera, name in names.items()}
    found = {camera: view["color"] for camera, view in cameras.items() if view.get("color") is not None}
    return {camera: picture_of(picture, names[camera]) for camera, picture in found.items()}


def numbers_of(request: Mapping[str, Any], names: Sequence[str]) -> NDArray[np.float64] | None:
    """Those state vectors of a request, one after the other; None if one of them is not there.

    Raises:
        WireError: one of them is no vector.
    """
    state = map_of(request, "state")
    if any(state.get(name) is None for name in names):
        return None
    return np.concatenate([vector_of(state[name], name) for name in names])


def prompt_of(request: Mapping[str, Any]) -> str:
    """The instruction of a request, or the first of its list of instructions.

    Raises:
        WireError: there is none, or it is no text.
    """
    several = request.get("instructions")
    if request.get("instruction") is None and isinstance(several, list) and several:
        return instruction_of({"instructions": several[0]}, "instructions")
    return instruction_of(request, "instruction")


def rows_of(answered: object, server: str) -> list[Mapping[str, Any] | Actions]:
    """The actions of an answer, one by one: each a map of parts or a vector.

    Raises:
        WireError: there are none, or something else.
    """
    if isinstance(answered, Mapping):
        rows: list[object] = [answered]
    elif isinstance(answered, np.ndarray) or (isinstance(answered, list) and not _holds_rows(answered)):
        rows = list(np.atleast_2d(_vector_or_more(answered, server)))
    else:
        rows = answered if isinstance(answered, list) else []
    if not rows:
        instead = "an empty list" if answered == [] else _kind(answered)
        raise WireError(f"{server} answered no actions but {instead}")
    return [row if isinstance(row, Mapping) else vector_of(row, f"an action of {server}") for row in rows]


def part_of(row: Mapping[str, Any], names: Sequence[str], length: int, server: str) -> Actions | None:
    """The part of an action that has one of these names, the first that is there; None if none is.

    Raises:
        WireError: it is no vector of this length.
    """
    name = next((name for name in names if row.get(name) is not None), None)
    if name is None:
        return None
    given = row[name]
    vector = vector_of([given] if isinstance(given, int | float) else given, f'"{name}" in an action of {server}')
    if len(vector) != length:
        raise WireError(f'"{name}" in an action of {server} has {len(vector)} numbers, not {length}')
    return vector


def _holds_rows(answered: list[Any]) -> bool:
    return not answered or isinstance(answered[0], Mapping | list | np.ndarray | Unreadable)


def _vector_or_more(answered: object, server: str) -> Actions:
    try:
        actions = np.asarray(answered, np.float64)
    except (TypeError, ValueError) as error:
        raise WireError(f"the actions of {server} are no array of numbers: {error}") from error
    if actions.ndim not in (1, 2) or not actions.size:
        raise WireError(f"{server} answered actions of shape {actions.shape}; expected (D,) or (T, D)")
    return actions


def _kind(thing: object) -> str:
    return f"what cannot be read ({thing.why})" if isinstance(thing, Unreadable) else type(thing).__name__
