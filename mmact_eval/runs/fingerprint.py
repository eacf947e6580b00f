"""What a run was made with: the protocol fingerprint.

The fingerprint holds everything that can change a result (protocol, policy, seed, simulator versions). Two runs are
comparable when theirs are equal; a run folder is only continued under its own. The machine is recorded
beside it (`mmact_eval.machine.host`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from mmact_eval import __version__
from mmact_eval.identity.differences import ABSENT, differences
from mmact_eval.identity.environment import environment_parts
from mmact_eval.identity.made_policy import MadePolicy
from mmact_eval.policy_output import json_data
from mmact_eval.rollout import effective_replan
from mmact_eval.specs import EnvSpec, Physics, PolicySpec
from mmact_eval.suite import Suite

__all__ = ["ABSENT", "binding", "describe_env", "differences", "digest", "fingerprint", "made_differently"]

_NOT_PART_OF_A_RESULT = {"episodes", "episode_timeout"}

_UNSAID: dict[str, Any] = {"disturbance": None, "stages": 1, "stage_steps": None}


def fingerprint(
    suite: Suite,
    policy: PolicySpec,
    made: MadePolicy,
    seed: int,
    env_versions: Mapping[str, str],
    physics: Physics | None = None,
) -> dict[str, Any]:
    """Everything that can change an episode's result, as nested plain data.

    Args:
        suite: what is evaluated.
        policy: the spec of what acts.
        made: what that is made of.
        seed: the run's seed.
        env_versions: versions of simulator and assets.
        physics: of the environment, None if there are no two of it.
    """
    protocol = {k: v for k, v in suite.protocol.model_dump(mode="json").items() if k not in _NOT_PART_OF_A_RESULT}
    protocol["replan"] = effective_replan(suite.protocol, policy)
    for field, unset in _UNSAID.items():
        if protocol[field] == unset:
            del protocol[field]  # as in runs from before there were any
    return {
        "suite": {
            "name": suite.name,
            "env": suite.env,
            "env_args": json_data(dict(suite.env_args)),
            **environment_parts(suite),
        },
        "protocol": protocol,
        "policy": {
            "name": policy.name,
            "target": made.target,
            "checkpoint": json_data(policy.checkpoint),
            "chunk": json_data(policy.chunk),
            "cameras": list(policy.cameras),
            "state": list(policy.state),
            "code": dict(made.code) or "",
            **({"paths": dict(made.paths)} if made.paths else {}),
            "args": json_data(dict(made.args)),
            "config": json_data(dict(policy.config)),
        },
        "seed": seed,
        "versions": {"mmact-eval": __version__, **env_versions},
        **({"physics": asdict(physics)} if physics else {}),
    }


def binding(suite: Suite, permissions: Collection[str]) -> Suite:
    """The suite without those ``env_args`` that permit something and change no result."""
    return suite.model_copy(update={"env_args": {k: v for k, v in suite.env_args.items() if k not in permissions}})


def digest(data: Mapping[str, Any]) -> str:
    """A short hash of plain data, independent of key order."""
    return hashlib.blake2b(json.dumps(data, sort_keys=True, default=str).encode(), digest_size=6).hexdigest()


def made_differently(what: str, changed: Sequence[str], advice: str = "") -> str:
    """Why a folder cannot be continued, `differences` and all, and what else could be done than what always can."""
    lines = "\n".join(f"  - {line}" for line in changed)
    return (
        f"{what} made differently (there → now):\n{lines}\n"
        f"Ask for the same again to continue it, or choose another folder with --out. {advice}".rstrip()
    )


def describe_env(spec: EnvSpec) -> dict[str, Any]:
    """The environment's side of a manifest."""
    described: dict[str, Any] = json_data(asdict(spec))
    return described
