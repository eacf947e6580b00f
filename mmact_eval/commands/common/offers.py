"""What an environment offers, in words."""

from __future__ import annotations

from collections.abc import Iterator

from mmact_eval.specs import ActionSpec, EnvSpec
from mmact_eval.wording import counted


def offers_of(spec: EnvSpec) -> Iterator[tuple[str, str, str]]:
    """(what, its name, what it is) of everything that a policy's author has to know."""
    yield "environment", spec.name, ""
    for camera, (height, width) in spec.cameras.items():
        yield "camera", camera, f"{width} × {height} pixels"
    yield "images", "orientation", spec.image_convention
    for key, state in spec.state.items():
        yield "state", key, f"{counted(state.dim, 'number')}: {state.description}"
    if spec.proprioception:
        yield "state", "usual order", ", ".join(spec.proprioception)
    yield from (("action", name, text) for name, text in _action(spec.action))
    yield "simulator", "ground truth", "can be had (privileged)" if spec.privileged else "cannot be had"
    yield "simulator", "disturbance", "can be asked for" if spec.disturbable else "cannot be asked for"
    if spec.physics is not None:
        yield "simulator", "physics", f"{spec.physics.engine} ({spec.physics.family or 'unknown'} family)"
    if spec.not_real:
        yield "not real", "", spec.not_real
    if spec.pictures_differ:
        yield "pictures", "", spec.pictures_differ


def _action(action: ActionSpec) -> Iterator[tuple[str, str]]:
    yield "size", f"{counted(action.dim, 'number')}, {action.low:.4g} to {action.high:.4g}"
    yield "control", action.control
    for name in ("frame", "rotation", "gripper"):
        yield name, getattr(action, name) or "none"
    yield "rate", f"{action.hz:g} Hz" if action.hz else "no fixed duration"
    if action.description:
        yield "meaning", action.description
