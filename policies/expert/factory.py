"""Which expert answers for which environment."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mmact_eval.errors import UsageError, did_you_mean
from mmact_eval.policies.expert.calvin.policy import CHUNK, CalvinExpert
from mmact_eval.policies.expert.policy import ExpertPolicy
from mmact_eval.specs import EnvSpec

_ARGUMENTS = {"libero": ("chunk", "steady"), "calvin": ("chunk",)}
"""Environment → what its expert may be told."""

_LONGEST_CHUNK = 20


def make_policy(env_spec: EnvSpec | None = None, **args: object) -> ExpertPolicy | CalvinExpert:
    """Entry point of the policy ``expert``.

    Args:
        env_spec: what the environment offers: its name decides which expert answers, None for LIBERO's.
        args: ``chunk`` (1 to 20; 5 in LIBERO, 8 in CALVIN), and in LIBERO ``steady`` (true or false, default false).

    Raises:
        UsageError: there is no expert for the environment, an argument is unknown or out of range.
    """
    env = env_spec.name if env_spec else "libero"
    if env not in _ARGUMENTS:
        raise UsageError(f'policy "expert" solves tasks of {" and ".join(_ARGUMENTS)}, and knows nothing of "{env}"')
    for name in args:
        if name not in _ARGUMENTS[env]:
            known = _ARGUMENTS[env]
            raise UsageError(
                f'unknown argument "{name}" of policy "expert".{did_you_mean(name, known)} Known: {", ".join(known)}'
            )
    if env == "calvin":
        return CalvinExpert(chunk=_chunk(args, CHUNK))
    steady = args.get("steady", False)
    if not isinstance(steady, bool):
        raise UsageError(f'policy "expert": steady must be true or false, not {steady!r}')
    return ExpertPolicy(chunk=_chunk(args, 5), steady=steady)


def _chunk(args: Mapping[str, object], default: int) -> int:
    chunk = args.get("chunk", default)
    if isinstance(chunk, bool) or not isinstance(chunk, (int, np.integer)) or not 1 <= chunk <= _LONGEST_CHUNK:
        raise UsageError(f'policy "expert": chunk must be a whole number from 1 to {_LONGEST_CHUNK}, not {chunk!r}')
    return int(chunk)
