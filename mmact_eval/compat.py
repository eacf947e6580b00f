"""Compare what a policy needs with what an environment offers, before any rollout."""

from __future__ import annotations

from dataclasses import fields

from mmact_eval.errors import IncompatibleError, did_you_mean
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
    found = []
    for name in ("cameras", "state"):
        value = getattr(policy, name)
        if isinstance(value, str) or not all(isinstance(item, str) for item in value):
            found.append(f"spec.{name} is {value!r}; it must be a tuple of names.")
    for name in ("chunk", "replan"):
        value = getattr(policy, name)
        if isinstance(value, bool) or not isinstance(value, int | None if name == "replan" else int):
            found.append(f"spec.{name} is {value!r}; it must be a whole number.")
    return found


def mismatches(env: EnvSpec, policy: PolicySpec) -> list[str]:
    """One sentence for each thing that does not fit, naming both sides and what would bridge them; [] if all fits."""
    found = []
    for camera in policy.cameras:
        if camera not in env.cameras:
            offered = ", ".join(env.cameras) or "none"
            found.append(
                f'camera "{camera}": the policy looks at it, {env.name} offers {offered}.'
                f"{did_you_mean(camera, env.cameras)} Rename it in the policy or add it to protocol.cameras."
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
    for spec_field in fields(ActionSpec):
        ours, theirs = getattr(env.action, spec_field.name), getattr(policy.action, spec_field.name)
        if ours != theirs:
            found.append(
                f"action {spec_field.name}: the policy says {theirs!r}, {env.name} takes {ours!r}; "
                f"{_BRIDGES[spec_field.name]}."
            )
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
