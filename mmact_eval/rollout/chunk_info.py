"""What an environment says about the chunk it was given (`protocols.Env.step_chunk`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmact_eval.errors import EnvironmentFailure


def steps_executed(info: Mapping[str, Any], given: int) -> int:
    """How many of the `given` actions were executed: ``info["steps"]``.

    Raises:
        EnvironmentFailure: it is no whole number from 1 to `given`.
    """
    steps = info.get("steps")
    if not isinstance(steps, int | np.integer) or isinstance(steps, bool) or not 1 <= steps <= given:
        raise EnvironmentFailure(
            f'the environment was given {given} actions and says that it executed {steps!r} (info["steps"]); '
            f"it must be a whole number from 1 to {given}"
        )
    return int(steps)


def chunk_is_over(info: Mapping[str, Any], given: int) -> bool:
    """Whether the policy must be asked anew: fewer than the `given` actions were executed, or it was interrupted."""
    return steps_executed(info, given) < given or bool(info.get("interrupted", False))
