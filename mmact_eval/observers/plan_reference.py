"""A second policy that says what it would say, so that what the evaluated one says can be compared with it.

A plan in words has no truth of its own. The scripted expert, which sees the simulator's state and can begin anywhere,
says which sub-task comes next; a model that learned from its demonstrations should say the same.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from mmact_eval import compat, registry
from mmact_eval.errors import UsageError
from mmact_eval.protocols import Policy
from mmact_eval.rollout import policy_calls
from mmact_eval.rollout.seen import seen_by
from mmact_eval.specs import EnvSpec
from mmact_eval.types import Query

log = logging.getLogger(__name__)


class PlanReference:
    """The text of another policy for a query, as if the episode began there. Picklable: workers ask it themselves.

    Attributes:
        name: a registered policy, ``module:attr`` or ``file.py:attr``.
        privileged: whether it looks at the simulator's ground truth.
    """

    def __init__(self, name: str, env: EnvSpec) -> None:
        """
        Args:
            name: of the policy.
            env: what it acts in.

        Raises:
            UsageError: it cannot be made, does not fit, or wants to look through cameras.
        """
        self.name = name
        self._env = env
        self._policy: Policy | None = registry.make_policy(name, {}, env).policy
        spec = self._policy.spec
        compat.check(env, spec)
        if spec.cameras:
            raise UsageError(
                f"--plan-reference: {spec.name} looks through cameras ({', '.join(spec.cameras)}), which are not drawn "
                "for it; take a policy that sees the simulator's state, such as expert."
            )
        self.privileged = spec.privileged

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_policy": None}

    def __call__(self, query: Query) -> str | None:
        """What it says; None if it has no answer, which costs a score and not an episode."""
        self._policy = self._policy or registry.make_policy(self.name, {}, self._env).policy
        try:
            policy_calls.reset(self._policy, [query.episode])
            asked = replace(seen_by(self._policy.spec, query), index=0, new_stage=False)
            return policy_calls.all_of(policy_calls.act(self._policy, [asked]))[0].text
        except Exception:
            log.exception("the plan reference %s has no answer in %s", self.name, query.episode.key)
            return None
