"""The stages of an episode: instructions that an environment gives one after another (`protocols.Env.step_chunk`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmact_eval.errors import EnvironmentFailure, UsageError
from mmact_eval.specs import EnvSpec
from mmact_eval.suite import Suite
from mmact_eval.types import Outcome, Stage

STAGES = "stages"
"""The key of ``info``, and the field of `EpisodeResult`."""


def check(suite: Suite, env: EnvSpec) -> None:
    """Refuse a protocol with stages that its environment does not have.

    One stage with `stage_steps` is well where there could be several: the limit of that one.

    Raises:
        UsageError: names the field.
    """
    protocol, most = suite.protocol, env.stages
    if protocol.stages > most:
        can = f"at most {most} one after another" if most > 1 else "one instruction an episode"
        raise UsageError(
            f"suite {suite.name}, protocol.stages: {protocol.stages} are asked for, and environment {env.name} gives "
            f"{can}; write {most}{' or less' if most > 1 else ''}."
        )
    if protocol.stage_steps is not None and most == 1:
        raise UsageError(
            f"suite {suite.name}, protocol.stage_steps: episodes of environment {env.name} have no stages, so nobody "
            "would see to it; write null, and limit the episode by protocol.max_steps."
        )


def misfit(attempted: Sequence[Stage], outcome: Outcome, stages: int) -> str:
    """Why an outcome cannot have come from these stages; "" if it can. Errors may end anywhere.

    Args:
        attempted: of an episode.
        outcome: its.
        stages: how many the protocol asks for; where it is one, nothing need be said of it.
    """
    solved = sum(stage.success for stage in attempted)
    if len(attempted) > stages:
        return f"{len(attempted)} stages, where episodes have {stages}"
    if stages == 1 or outcome == "error":
        return ""
    if not attempted:
        return "no stages, where episodes have some"
    if (outcome == "success") != (solved == stages):
        return f"a {outcome} with {solved} of {stages} stages solved"
    return ""


class StageTally:
    """What an environment says of its stages in an episode: its last word counts."""

    def __init__(self) -> None:
        self._attempted: tuple[Stage, ...] = ()

    def executed(self, info: Mapping[str, Any]) -> bool:
        """A chunk was executed.

        Returns:
            Whether a further stage begins: the policy must be reset and asked anew.

        Raises:
            EnvironmentFailure: what it says are no stages, or do not follow from what it said before.
        """
        if STAGES not in info:
            return False
        now = tuple(info[STAGES])
        if not all(isinstance(stage, Stage) for stage in now):
            raise EnvironmentFailure(f'info["{STAGES}"] of the environment must hold `Stage`s only, not {now!r:.80}')
        before = self._attempted or now[:1]
        solved = [stage.task for stage in now[:-1] if stage.success]
        if not len(before) <= len(now) <= len(before) + 1 or len(solved) != len(now) - 1:
            raise EnvironmentFailure(
                f'info["{STAGES}"] of the environment went from {len(self._attempted)} to {len(now)}, {len(solved)} of '
                "them solved before the last; all but the last must be, and a chunk ends where a stage does"
            )
        self._attempted = tuple(Stage(str(stage.task), int(stage.steps), bool(stage.success)) for stage in now)
        return len(now) > len(before)

    def ended(self, outcome: Outcome, stages: int) -> None:
        """The episode has come to an end.

        Args:
            outcome: its.
            stages: how many the protocol asks for; where it is one, nothing need be said of it.

        Raises:
            EnvironmentFailure: a success without all stages, say.
        """
        problem = misfit(self.fields()[STAGES], outcome, stages)
        if problem:
            raise EnvironmentFailure(f'info["{STAGES}"] of the environment does not fit how it ended: {problem}')

    def fields(self) -> Mapping[str, Any]:
        """The stages so far, for the field of `EpisodeResult`. One of which nothing was executed is no attempt."""
        return {STAGES: tuple(stage for stage in self._attempted if stage.steps)}
