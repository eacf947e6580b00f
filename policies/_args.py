"""Checks of arguments that several small policies share."""

from __future__ import annotations

from collections.abc import Iterable

from mmact_eval.errors import UsageError, did_you_mean
from mmact_eval.specs import EnvSpec, PolicySpec


def baseline_spec(name: str, env_spec: EnvSpec, chunk: object, cameras: str | Iterable[str]) -> PolicySpec:
    """The spec of a policy that does without observations and takes over the environment's action convention.

    Raises:
        UsageError: as `check_chunk` and `check_cameras`.
    """
    actions, names = check_chunk(name, chunk), check_cameras(name, cameras, env_spec)
    config = {"chunk": actions, "cameras": names}
    return PolicySpec(name=name, action=env_spec.action, chunk=actions, cameras=names, config=config)


def check_chunk(policy: str, chunk: object) -> int:
    """`chunk` if it is an integer ≥ 1.

    Raises:
        UsageError: it is not.
    """
    if type(chunk) is not int or chunk < 1:
        raise UsageError(f"policy {policy}: chunk must be an integer ≥ 1, got {chunk!r}")
    return chunk


def check_cameras(policy: str, cameras: str | Iterable[str], env_spec: EnvSpec) -> tuple[str, ...]:
    """The cameras meant by ``"all"``, ``"top,side"`` or a list of names; none for an empty one.

    Raises:
        UsageError: the environment does not offer one of them, or it is neither text nor a list.
    """
    if isinstance(cameras, str):
        names = list(env_spec.cameras) if cameras == "all" else [c.strip() for c in cameras.split(",") if c.strip()]
    elif isinstance(cameras, Iterable):
        names = [str(camera) for camera in cameras]
    else:
        raise UsageError(f'policy {policy}: cameras must be "all", names with commas or a list, got {cameras!r}')
    for name in names:
        if name not in env_spec.cameras:
            offered = ", ".join(env_spec.cameras) or "none"
            raise UsageError(
                f'policy {policy}: {env_spec.name} has no camera "{name}"; it offers {offered}.'
                f"{did_you_mean(name, env_spec.cameras)}"
            )
    return tuple(dict.fromkeys(names))
