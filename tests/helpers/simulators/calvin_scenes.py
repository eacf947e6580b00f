"""Episodes of CALVIN's stand-in, played in one process."""

from __future__ import annotations

from collections.abc import Sequence

import calvin_ready

from mmact_eval.envs.calvin import plugin
from mmact_eval.envs.calvin.checks.recorded import motion
from mmact_eval.protocols import Needs
from mmact_eval.types import Episode


def played(init_states: Sequence[int]) -> list[str]:
    """Hashes of the state after a motion of 60 steps in each of these chains, one after another in one environment."""
    suite = calvin_ready.suite()
    (task,) = plugin.tasks(suite)
    env = plugin.make(suite, task, Needs())
    found = []
    for init_state in init_states:
        env.begin(Episode(suite.name, task.name, init_state, 0))
        env.step_chunk(motion(init_state))
        found.append(env.state_hash())
    env.close()
    return found
