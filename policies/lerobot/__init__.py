"""Policies of the LeRobot library, in this process: ``--policy lerobot:PATH_OR_HUB_ID``.

The library's own pre- and post-processors, which a checkpoint brings with it, do normalization and tokens. Here the
observations get LeRobot's names, and episodes their own random numbers. Needs the library and torch in this
environment; where they do not fit, a vla-eval or openpi server is the way.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mmact_eval.errors import UsageError
from mmact_eval.specs import EnvSpec

if TYPE_CHECKING:
    from mmact_eval.policies.lerobot.policy import LerobotPolicy

if importlib.util.find_spec("lerobot") is None:
    raise ModuleNotFoundError("No module named 'lerobot'", name="lerobot")


def make_policy(
    env_spec: EnvSpec,
    path: str = "",
    device: str = "auto",
    replan: int | None = None,
    cameras: Mapping[str, str] | None = None,
    state: str = "",
    target: str = "",
) -> LerobotPolicy:
    """Entry point ``lerobot``, and the scheme ``lerobot:``.

    Args:
        env_spec: the environment.
        path: a checkpoint's folder or its name on the hub.
        device: ``cpu``, ``cuda``, ``cuda:1`` …; ``auto`` for a GPU if there is one.
        replan: actions executed before the next query; None for the checkpoint's ``n_action_steps``.
        cameras: the policy's image keys → the environment's cameras, where the names do not tell:
            ``{"observation.images.top": "agentview"}``.
        state: the environment's state vectors that make up ``observation.state``, with commas; "" for LIBERO's eight
            numbers, or the only vector of that length.
        target: what was typed as ``--policy``.

    Raises:
        UsageError: no such checkpoint, or it does not fit the environment.
    """
    checkpoint = target.partition(":")[2] if target else path
    if not checkpoint:
        raise UsageError("policy lerobot: say which checkpoint: --policy lerobot:PATH_OR_HUB_ID")
    from mmact_eval.policies.lerobot.policy import LerobotPolicy

    if not isinstance(state, str):
        raise UsageError(f"policy lerobot: state must be names with commas, got {state!r}")
    keys = tuple(part.strip() for part in state.split(",") if part.strip())
    return LerobotPolicy(env_spec, checkpoint, device, replan, {} if cameras is None else cameras, keys)
