"""Another policy acts first; then the recorded one takes over and shows how to go on from there.

A policy that has learned from flawless demonstrations meets states that only its own mistakes lead to. With itself as
the lead-in, the next demonstrations begin in these states (as in DAgger, but for whole endings, not single labels).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mmact_eval.errors import UsageError
from mmact_eval.optional import FreesWeights
from mmact_eval.policy_output import checked_actions
from mmact_eval.protocols import Policy
from mmact_eval.recording.perturbed import BEFORE
from mmact_eval.rollout import effective_replan, policy_calls
from mmact_eval.suite import Protocol
from mmact_eval.transforms.wrapped_policy import WrappedPolicy, moved_on
from mmact_eval.types import Episode, PolicyOutput, Query


@dataclass(frozen=True)
class LeadIn:
    """What acts before the demonstration.

    Attributes:
        policy: a registered name, ``module:attr`` or ``file.py:attr``.
        args: its keyword arguments.
        steps: of it, at most.
    """

    policy: str
    steps: int
    args: Mapping[str, Any] = field(default_factory=dict)


class LedIn(WrappedPolicy):
    """How long the other policy acts follows from the episode: evenly drawn from 0 up to a limit.

    The spec has the other's name in its name and config, and the cameras and state of both.
    """

    def __init__(
        self, inner: Policy, leader: Policy, protocol: Protocol, steps: int, files: Mapping[str, str] | None = None
    ) -> None:
        """
        Args:
            inner: the policy that takes over.
            leader: the one that acts first.
            protocol: of the suite; says how many actions are executed for a query.
            steps: of the leader, at most. They count towards the protocol's step limit.
            files: what the leader is made of, with hashes; for the fingerprint.

        Raises:
            UsageError: the two do not go together, or nothing is left for the inner one.
        """
        self._step = min(effective_replan(protocol, inner.spec), inner.spec.chunk)
        if not 0 < steps < protocol.max_steps:
            raise UsageError(
                f"--lead-in-steps must be at least 1 and leave steps for the policy: it takes {steps} of "
                f"{protocol.max_steps} (protocol.max_steps)."
            )
        if leader.spec.action != inner.spec.action:
            raise UsageError(f"--lead-in: actions of {leader.spec.name} and {inner.spec.name} have other conventions.")
        if leader.spec.chunk < self._step:
            raise UsageError(
                f"--lead-in: {leader.spec.name} answers with chunks of {leader.spec.chunk} actions, and {self._step} "
                "are executed for each query; set protocol.replan, or the chunk of the policy."
            )
        if leader.spec.image_size not in (None, inner.spec.image_size):
            raise UsageError(f"--lead-in: {leader.spec.name} wants its pictures in a size of its own.")
        self._leader = leader
        self._most = steps // self._step
        told = f"after up to {steps} steps of {leader.spec.name}"
        about = {"steps": steps, "policy": leader.spec.name, "checkpoint": leader.spec.checkpoint,
                 "config": dict(leader.spec.config), **({"files": dict(files)} if files else {})}  # fmt: skip
        spec = replace(
            inner.spec,
            name=f"{inner.spec.name} ({told})",
            cameras=_both(inner.spec.cameras, leader.spec.cameras),
            state=_both(inner.spec.state, leader.spec.state),
            deterministic=inner.spec.deterministic and leader.spec.deterministic,
            config={**inner.spec.config, "lead_in": about},
            chunk_varies=inner.spec.chunk_varies or leader.spec.chunk_varies,
        )
        super().__init__(inner, spec)

    def reset(self, episodes: Sequence[Episode]) -> None:
        """The reset of both."""
        policy_calls.reset(self._leader, episodes)
        super().reset(episodes)

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        """What the leader says for the first queries of an episode, then what the inner policy says."""
        led = [query for query in queries if self._leads(query)]
        others = [moved_on(q, self._queries(q.episode)) for q in queries if not self._leads(q)]
        first = iter(policy_calls.changed(self._leader, led, self._start) if led else [])
        then = iter(policy_calls.act(self._inner, others) if others else [])
        return policy_calls.all_of([next(first) if self._leads(q) else next(then) for q in queries])

    def free_weights(self) -> None:
        """Of both; see `optional.FreesWeights`."""
        for policy in (self._leader, self._inner):
            if isinstance(policy, FreesWeights):
                policy.free_weights()

    def _queries(self, episode: Episode) -> int:
        return int(np.random.default_rng(episode.derived_seed("lead-in")).integers(self._most + 1))

    def _leads(self, query: Query) -> bool:
        return query.index < self._queries(query.episode)

    def _start(self, query: Query, output: PolicyOutput) -> PolicyOutput:
        actions = checked_actions(output, self.spec.action.dim)[: self._step]
        return PolicyOutput(actions, extras={BEFORE: True})


def _both(first: Sequence[str], second: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*first, *second]))
