"""Compare what a policy needs with what an environment offers, before any rollout."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from mmact_eval.errors import IncompatibleError, UsageError, did_you_mean
from mmact_eval.specs import ActionSpec, EnvSpec, PolicySpec

_BRIDGES = {
    "dim": "return actions of the environment's width from `act`",
    "gripper": "map the gripper value in the policy (for a flipped sign: `action[-1] *= -1`)",
    "rotation": "convert the rotation in the policy before returning the chunk",
    "frame": "transform the command into the environment's frame in the policy",
    "control": "convert the command in the policy (e.g. absolute pose minus the current pose gives a delta)",
    "low": "rescale the actions in the policy",
    "high": "rescale the actions in the policy",
    "hz": "train or resample the policy at the environment's control frequency",
}


def malformed(policy: PolicySpec) -> list[str]:
    """What is wrong with a policy's spec by itself: fields of another type than promised."""
    if not isinstance(policy, PolicySpec):
        return [f"its spec is {type(policy).__name__}; it must be a mmact_eval.PolicySpec."]
    if not isinstance(policy.action, ActionSpec):
        return [f"spec.action is {type(policy.action).__name__}; it must be a mmact_eval.ActionSpec."]
    given = {f"spec.{item.name}": getattr(policy, item.name) for item in fields(policy)}
    given |= {f"spec.action.{item.name}": getattr(policy.action, item.name) for item in fields(policy.action)}
    found = []
    for name, (must, fits) in _MUST_BE.items():
        if not fits(given[name]):
            found.append(f"{name} is {_shown(given[name])}; it must be {must}.")
    return found


def require_well_formed(policy: PolicySpec, name: str) -> None:
    """Refuse a spec before anybody uses it.

    Raises:
        UsageError: names every field that is not what it must be.
    """
    found = malformed(policy)
    if found:
        lines = "\n".join(f"  - {line}" for line in found)
        raise UsageError(f'policy "{name}" does not state its spec as it must be (mmact_eval.PolicySpec):\n{lines}')


def plain(policy: PolicySpec) -> PolicySpec:
    """A well-formed spec with Python's own numbers and text for NumPy's and for paths; the same one if it has none."""
    plainly: dict[str, Any] = {
        "checkpoint": os.fspath(policy.checkpoint),
        "image_size": None if policy.image_size is None else tuple(map(int, policy.image_size)),
        "chunk": int(policy.chunk),
        "replan": None if policy.replan is None else int(policy.replan),
        **{name: tuple(getattr(policy, name)) for name in ("cameras", "state")},
        **{name: bool(getattr(policy, name)) for name in ("privileged", "deterministic", "chunk_varies")},
    }
    made = replace(policy, **plainly)
    same = all(type(getattr(made, item.name)) is type(getattr(policy, item.name)) for item in fields(policy))
    return policy if same else made


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_flag(value: object) -> bool:
    return isinstance(value, bool | np.bool_)


def _is_whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _are_names(value: object) -> bool:
    return isinstance(value, tuple | list) and all(isinstance(item, str) for item in value)


def _is_size(value: object) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2 and all(map(_is_whole, value))


_MUST_BE: Mapping[str, tuple[str, Callable[[object], bool]]] = {
    "spec.name": ("text", _is_text),
    "spec.image_convention": ("text", _is_text),
    "spec.not_real": ("text", _is_text),
    "spec.checkpoint": ("text or a path", lambda value: isinstance(value, str | os.PathLike)),
    "spec.cameras": ("a tuple of names", _are_names),
    "spec.state": ("a tuple of names", _are_names),
    "spec.chunk": ("a whole number", _is_whole),
    "spec.replan": ("a whole number or None", lambda value: value is None or _is_whole(value)),
    "spec.image_size": ("(height, width) or None", lambda value: value is None or _is_size(value)),
    "spec.privileged": ("True or False", _is_flag),
    "spec.deterministic": ("True or False", _is_flag),
    "spec.chunk_varies": ("True or False", _is_flag),
    "spec.config": ("a dict", lambda value: isinstance(value, Mapping)),
    "spec.action.dim": ("a whole number", _is_whole),
    "spec.action.control": ("text", _is_text),
    "spec.action.frame": ("text", _is_text),
    "spec.action.rotation": ("text", _is_text),
    "spec.action.gripper": ("text", _is_text),
    "spec.action.low": ("a number", _is_number),
    "spec.action.high": ("a number", _is_number),
    "spec.action.hz": ("a number", _is_number),
    "spec.action.description": ("text", _is_text),
}
"""What a field must be, in words and as a test."""


def _shown(value: object) -> str:
    """The value on one line, if it is not too long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:79]}…"


def mismatches(env: EnvSpec, policy: PolicySpec) -> list[str]:
    """One sentence for each thing that does not fit, naming both sides and what would bridge them; [] if all fits."""
    found = []
    for camera in policy.cameras:
        if camera not in env.cameras:
            offered = ", ".join(env.cameras) or "none"
            found.append(
                f'camera "{camera}": the policy looks at it, {env.name} offers {offered}.'
                f"{did_you_mean(camera, env.cameras)} Rename it in the policy; what the simulator has besides can be "
                "added to protocol.cameras."
            )
        elif policy.image_size is not None and tuple(env.cameras[camera]) != tuple(policy.image_size):
            found.append(
                f'camera "{camera}": the policy needs {policy.image_size[0]}×{policy.image_size[1]} pixels, {env.name} '
                f"gives {env.cameras[camera][0]}×{env.cameras[camera][1]}. Resize in the policy (image_size=None) "
                f"or use --set protocol.resolution={policy.image_size[0]}."
            )
    if policy.cameras and policy.image_convention not in ("", env.image_convention):
        found.append(
            f'image orientation: the policy was trained on "{policy.image_convention}", {env.name} gives '
            f'"{env.image_convention}". Use --set protocol.rotation=… or turn the images in the policy.'
        )
    for key in policy.state:
        if key not in env.state:
            offered = ", ".join(env.state) or "none"
            found.append(
                f'state "{key}": the policy reads it, {env.name} offers {offered}.{did_you_mean(key, env.state)}'
            )
    for spec_field in (one for one in fields(ActionSpec) if one.compare):
        ours, theirs = getattr(env.action, spec_field.name), getattr(policy.action, spec_field.name)
        if ours != theirs:
            none_there = isinstance(ours, str) and not ours
            bridge = f"it has none: leave `{spec_field.name}` empty" if none_there else _BRIDGES[spec_field.name]
            found.append(f"action {spec_field.name}: the policy says {theirs!r}, {env.name} takes {ours!r}; {bridge}.")
    if policy.privileged and not env.privileged:
        found.append(f"the policy needs simulator ground truth, which {env.name} does not offer.")
    if policy.chunk < 1:
        found.append(f"chunk: the policy promises chunks of {policy.chunk} actions; it must return at least one.")
    if policy.replan is not None and not 1 <= policy.replan <= policy.chunk:
        found.append(
            f"replan: the policy wants {policy.replan} of {policy.chunk} actions executed; must be 1 to chunk."
        )
    return found


def check(env: EnvSpec, policy: PolicySpec) -> None:
    """Raise when the two do not fit.

    Raises:
        IncompatibleError: lists every mismatch.
    """
    found = malformed(policy) or mismatches(env, policy)
    if found:
        lines = "\n".join(f"  - {line}" for line in found)
        raise IncompatibleError(
            f'policy "{getattr(policy, "name", "?")}" does not fit environment "{env.name}":\n{lines}'
        )
