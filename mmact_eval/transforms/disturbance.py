"""Something happens to the scene in the middle of an episode: what does it cost not to look?

A policy that executes long chunks acts on an old picture of the world. To see what that costs, the world must change
while a chunk is executed, at the same moment and as far as possible in the same way whatever is evaluated. So the step,
the distance and the direction that is tried first follow from the episode (not from queries or chunks). What the robot
has done by then differs between arms, and where it blocks that direction the environment may choose another. A
disturbance is part of the protocol, hence of the fingerprint; environments carry it out (`optional.Disturbs`).

It is made just before a step is executed, so even a policy that is asked at every step acts once on what it saw before.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmact_eval.errors import EnvironmentFailure, UsageError
from mmact_eval.optional import Disturbs
from mmact_eval.protocols import Env
from mmact_eval.rollout.chunk_info import chunk_is_over, steps_executed
from mmact_eval.rollout.figures import FIGURES
from mmact_eval.rollout.stages import STAGES, StageTally
from mmact_eval.specs import EnvSpec
from mmact_eval.suite import Disturbance, Suite
from mmact_eval.types import Episode, Observation

log = logging.getLogger(__name__)

ARTIFACT = "disturbance"
"""Kind of the artifact that an episode has in which something was displaced."""

DISPLACED, METRES = "disturbance/displaced", "disturbance/metres"
"""Figures: 1 if something was displaced and 0 if not; how far, in episodes in which it was."""


def check(suite: Suite, env: EnvSpec) -> None:
    """Refuse a protocol with a disturbance that nobody would carry out.

    Raises:
        UsageError: the environment cannot.
    """
    if suite.protocol.disturbance is not None and not env.disturbable:
        raise UsageError(
            f"suite {suite.name}, protocol.disturbance: environment {env.name} cannot disturb its scenes; write null."
        )


class DisturbedEnv:
    """An environment whose scene is disturbed once an episode; everything else is the inner environment's.

    Attributes:
        interface: the inner environment's.
        happened: the step and what was done in words; None if nothing was (yet).
        displaced: how far, m; 0 if nothing was (yet).
    """

    def __init__(self, inner: Env, disturbance: Disturbance) -> None:
        """
        Args:
            inner: has `disturb`.
            disturbance: what happens.
        """
        self._inner = inner
        self._disturbance = disturbance
        self.interface = inner.interface
        self.happened: dict[str, Any] | None = None
        self.displaced = 0.0

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._inner, name)

    def begin(self, episode: Episode) -> Observation:
        """The inner `begin`, undisturbed."""
        self._rng = np.random.default_rng(episode.derived_seed(ARTIFACT))
        self._due = int(self._rng.integers(self._disturbance.first_step, self._disturbance.last_step + 1))
        self._steps = 0
        self._stages = StageTally()
        self.happened, self.displaced = None, 0.0
        return self._inner.begin(episode)

    def step_chunk(self, actions: NDArray[np.float32]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """The inner `step_chunk`, in two parts if the disturbance falls into the chunk.

        A first part that ends the chunk (the episode or a stage is over, or an action was not executed) is all there
        is: the disturbance comes in a later one then, at its step of the episode.
        """
        before = self._due - self._steps
        if not 0 <= before < len(actions):
            return self._execute(actions)
        said: dict[str, Any] = {}
        if before:
            first = self._execute(actions[:before])
            _, _, terminated, truncated, said = first
            if terminated or truncated or self._stage_began or chunk_is_over(said, before):
                return first
            del first, _  # an observation that nobody holds is not drawn
        self._disturb()
        observation, reward, terminated, truncated, info = self._execute(actions[before:])
        told = {**info, "steps": before + int(info["steps"])}
        if FIGURES in said:  # the second part need not repeat them
            told[FIGURES] = {**said[FIGURES], **info.get(FIGURES, {})}
        if STAGES in said:
            told.setdefault(STAGES, said[STAGES])
        return observation, reward, terminated, truncated, told

    def _execute(self, actions: NDArray[np.float32]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        result = self._inner.step_chunk(actions)
        self._steps += steps_executed(result[4], len(actions))
        self._stage_began = self._stages.executed(result[4])
        return result

    def _disturb(self) -> None:
        if not isinstance(self._inner, Disturbs):
            raise EnvironmentFailure("the environment says that it is disturbable and has no `disturb(rng, metres)`")
        done = self._inner.disturb(self._rng, self._disturbance.metres)
        if done:
            self.happened, self.displaced = {"step": self._due, "what": done}, self._disturbance.metres
        log.info("disturbance at step %d: %s", self._due, done or "nothing could be displaced")

    def scene_hash(self) -> str:
        """The inner environment's."""
        return self._inner.scene_hash()

    def state_hash(self) -> str:
        """The inner environment's."""
        return self._inner.state_hash()

    def render(self) -> NDArray[np.uint8]:
        """The inner environment's."""
        return self._inner.render()

    def close(self) -> None:
        """Close the inner environment."""
        self._inner.close()
