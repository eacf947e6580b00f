"""What differs between two observations, and what of one is not as a spec says."""

from __future__ import annotations

import pickle
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np

from mmact_eval.specs import EnvSpec
from mmact_eval.types import Observation


def differences(one: Observation, other: Observation, cameras: Collection[str] | None = None) -> Iterator[str]:
    """What is not bit-equal, in words.

    Args:
        one, other: two looks at what should be the same scene.
        cameras: images to compare; None for all.
    """
    if cameras is None:
        yield from _maps(one.images, other.images, "image")
    else:
        yield from _maps({c: one.images[c] for c in cameras}, {c: other.images[c] for c in cameras}, "image")
    yield from _maps(one.state, other.state, "state")
    if one.instruction != other.instruction:
        yield f'instruction "{one.instruction}" and "{other.instruction}"'
    both = one.privileged is not None and other.privileged is not None
    if (
        both
        and pickle.dumps(one.privileged) != pickle.dumps(other.privileged)
        and not same(one.privileged, other.privileged)
    ):
        yield "the ground truth (privileged)"


def same(one: Any, other: Any) -> bool:
    """Whether two values made of containers, arrays and plain data are equal, bit for bit."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.array_equal(np.asarray(one), np.asarray(other), equal_nan=_may_be_nan(one, other))
    return type(one) is type(other) and (pickle.dumps(one) == pickle.dumps(other) or bool(one == other))


def _may_be_nan(*arrays: Any) -> bool:
    return all(np.asarray(array).dtype.kind in "fc" for array in arrays)


def _maps(one: Mapping[str, Any], other: Mapping[str, Any], kind: str) -> Iterator[str]:
    if set(one) != set(other):
        yield f"{kind} names {sorted(one)} and {sorted(other)}"
    for name in sorted(set(one) & set(other)):
        first, second = np.asarray(one[name]), np.asarray(other[name])
        if first.shape != second.shape or first.dtype != second.dtype:
            yield f'{kind} "{name}" is {first.dtype} {first.shape} and {second.dtype} {second.shape}'
        elif not same(first, second):
            gap = float(np.nanmax(np.abs(first.astype(np.float64) - second.astype(np.float64)), initial=0.0))
            yield f'{kind} "{name}" differs, by {gap:g} at most'


def unlike_spec(observation: Observation, spec: EnvSpec, cameras: Collection[str], privileged: bool) -> Iterator[str]:
    """What of an observation is not as promised.

    Args:
        observation: of an environment.
        spec: the environment's.
        cameras: those that were asked for.
        privileged: whether ground truth was.
    """
    if not isinstance(observation, Observation):
        yield f"it is {type(observation).__name__}, no mmact_eval.Observation"
        return
    if set(observation.images) != set(cameras):
        yield f"images of {sorted(observation.images)} where {sorted(cameras)} were asked for"
    for camera in sorted(set(observation.images) & set(spec.cameras)):
        image, promised = observation.images[camera], (*spec.cameras[camera], 3)
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.shape != promised:
            yield f'image "{camera}" is {_kind(image)}; the spec says uint8 {promised}'
    if set(observation.state) != set(spec.state):
        yield f"state vectors {sorted(observation.state)}; the spec says {sorted(spec.state)}"
    for key in sorted(set(observation.state) & set(spec.state)):
        vector, size = observation.state[key], (spec.state[key].dim,)
        if not isinstance(vector, np.ndarray) or vector.dtype != np.float64 or vector.shape != size:
            yield f'state "{key}" is {_kind(vector)}; the spec says float64 {size}'
        elif not np.isfinite(vector).all():
            yield f'state "{key}" is not finite: {vector}'
    if not isinstance(observation.instruction, str) or not observation.instruction.strip():
        yield f"the instruction is {observation.instruction!r}"
    if privileged and observation.privileged is None:
        yield "no ground truth (privileged), though it was asked for"
    if not privileged and observation.privileged is not None:
        yield "ground truth (privileged), though nobody asked for it"


def _kind(value: Any) -> str:
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
