"""Demonstrations that differ: another start, and noise that the policy has to correct.

A policy trained on flawless demonstrations alone has never seen how to get back. With noise on the *executed* action
and the clean one to learn from, the data show recoveries.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mmact_eval.errors import PolicyFailure, UsageError
from mmact_eval.policy_output import checked_actions
from mmact_eval.protocols import Policy
from mmact_eval.rollout import effective_replan, policy_calls
from mmact_eval.specs import ActionSpec, gripper_columns
from mmact_eval.suite import Protocol
from mmact_eval.transforms.wrapped_policy import WrappedPolicy, moved_on
from mmact_eval.types import PolicyOutput, Query

CLEAN_ACTIONS = "clean_actions"
"""In an output's extras: the (T, D) chunk as the policy meant it."""

BEFORE = "before_demonstration"
"""In an output's extras: the chunk is acted before the demonstration begins and is no part of it."""

_START_AMPLITUDE = 0.5
"""Root mean square of the random start's actions, as part of their range."""

_ROTATION_PART = 0.1
"""How much less the hand is turned than moved: full rotation commands would turn it by a radian within ten steps."""

_SMOOTHING = 9
"""Over so many steps the random start's actions are averaged, with a bell-shaped window."""


class Perturbed(WrappedPolicy):
    """All randomness follows from the episode and the query."""

    def __init__(self, inner: Policy, protocol: Protocol, noise: float = 0.0, random_start: int = 0) -> None:
        """
        Args:
            inner: the policy.
            protocol: of the suite; says how many actions are executed for a query.
            noise: standard deviation of Gaussian noise on each number of an executed action but the gripper, in the
                action's unit.
            random_start: steps of smooth random motion before the policy takes over, the gripper open. They count
                towards the protocol's step limit.

        Raises:
            UsageError: the settings make no sense, for these actions perhaps.
        """
        action = inner.spec.action
        if not 0.0 <= noise < math.inf:
            raise UsageError(f"--noise must be a number ≥ 0, not {noise}.")
        if not 0 <= random_start < protocol.max_steps:
            raise UsageError(
                f"--random-start must leave steps for the policy: it takes {random_start} of {protocol.max_steps} "
                "(protocol.max_steps)."
            )
        if noise and action.rotation.startswith("quat"):
            raise UsageError(f"--noise: actions hold rotations as {action.rotation}, to which noise cannot be added.")
        if random_start and "delta" not in action.control:
            raise UsageError(
                f'--random-start moves by small random steps, which "{action.control}" actions are not; '
                "it works with actions that are deltas."
            )
        settings = {"noise": noise, "random_start": random_start}
        told = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in settings.items() if value)
        config = {**inner.spec.config, "perturbed": settings}
        varies = inner.spec.chunk_varies or random_start > 0  # the start's last chunk is what is left of it
        name = f"{inner.spec.name} ({told})"
        super().__init__(inner, replace(inner.spec, name=name, config=config, chunk_varies=varies))
        self._noise = noise
        self._random_start = random_start
        self._step = min(effective_replan(protocol, inner.spec), inner.spec.chunk)
        self._start_queries = math.ceil(random_start / self._step)
        self._free = ~gripper_columns(action)

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        """Random motion for the first queries of an episode, then what the inner policy says, with noise."""
        others = [moved_on(q, self._start_queries) for q in queries if not self._starts(q)]
        answers = iter(policy_calls.act(self._inner, others) if others else [])
        return policy_calls.all_of(
            [self._start(q) if self._starts(q) else self._with_noise(q, next(answers)) for q in queries]
        )

    def _starts(self, query: Query) -> bool:
        return query.index < self._start_queries

    def _start(self, query: Query) -> PolicyOutput:
        motion = smooth_motion(self.spec.action, self._random_start, query.episode.derived_seed("random start"))
        first = query.index * self._step
        return PolicyOutput(motion[first : first + self._step], extras={BEFORE: True})

    def _with_noise(self, query: Query, output: PolicyOutput | PolicyFailure) -> PolicyOutput | PolicyFailure:
        if not self._noise or isinstance(output, PolicyFailure):
            return output
        action = self.spec.action
        clean = checked_actions(output, action.dim)
        rng = np.random.default_rng(query.episode.derived_seed("action noise", query.index))
        shaken = np.clip(clean + rng.normal(0.0, self._noise, clean.shape), action.low, action.high)
        executed = np.where(self._free, shaken, clean).astype(np.float32)
        return replace(output, actions=executed, extras={**output.extras, CLEAN_ACTIONS: clean})


def smooth_motion(action: ActionSpec, steps: int, seed: int) -> NDArray[np.float32]:
    """(steps, D) float32 random delta actions without jerks, the gripper open."""
    noise = np.random.default_rng(seed).normal(size=(steps + _SMOOTHING - 1, action.dim))
    window = np.hanning(_SMOOTHING + 2)[1:-1]
    window /= np.linalg.norm(window)
    smooth = np.stack([np.convolve(column, window, "valid") for column in noise.T], axis=1)
    middle, reach = (action.high + action.low) / 2, (action.high - action.low) / 2
    amplitude = np.full(action.dim, _START_AMPLITUDE)
    if action.rotation:
        amplitude[3:] *= _ROTATION_PART
    wanted = middle + reach * amplitude * smooth
    motion: NDArray[np.float32] = np.clip(wanted, action.low, action.high).astype(np.float32)
    motion[:, gripper_columns(action)] = action.open_gripper
    return motion
