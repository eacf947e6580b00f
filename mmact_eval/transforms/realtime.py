"""A simulator that does not wait: while the policy thinks, the robot goes on with what it was told before.

What is called asynchronous execution, or real-time chunking, with the policy left as it is. In the usual evaluation the
world stands still during every answer, which no robot's does.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mmact_eval import suite
from mmact_eval.errors import PolicyFailure
from mmact_eval.policy_output import checked_actions
from mmact_eval.protocols import Policy
from mmact_eval.rollout import effective_replan, policy_calls
from mmact_eval.specs import gripper_columns, still_action
from mmact_eval.transforms.base import Settings, TransformedPolicy
from mmact_eval.types import Episode, PolicyOutput, Query

Actions = NDArray[np.float32]

_ROUNDING = 1e-9
"""A latency of so much of a step more than whole steps is whole steps: 3 / 20 s at 20 Hz are three."""


class Realtime(Settings):
    """``{realtime: {hz: 20, latency: 0.12}}``: an answer takes effect so many seconds after it was asked for.

    The environment's steps follow each other at `hz`, and the policy is asked after as many of them as it is otherwise,
    or when its last answer has arrived, if that is later. Meanwhile the robot goes on with the chunk that it has; once
    that is used up, it stands still, its gripper as it was told last. At the start of an episode, and where a stage
    begins, there is no chunk, and it stands still until the first answer has arrived (its gripper open at the start).

    Attributes:
        hz: control steps a second.
        latency: seconds, or ``measured``: what the policy took for the batch, on this machine; such results are not
            reproducible, and the policy is no longer `deterministic`.
        meanwhile: ``chunk``: as above; ``still``: the policy is asked when the robot has done what it was told, and the
            robot stands still until the answer is there, as in a control loop that waits for its policy.
        begin: ``in_time``: of a chunk that arrives when the robot has gone on for d steps, the first d actions, whose
            time is over, are dropped; steps in which it stood still are none of these, as all is where the policy saw
            it. ``at_first``: it is executed from its first action on.

    A latency of 0 changes nothing, the policy's name included. Actions that are absolute are refused: which of them
    stands still is not known before the first observation.
    """

    hz: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    latency: Annotated[float, Field(ge=0, allow_inf_nan=False)] | Literal["measured"]
    meanwhile: Literal["chunk", "still"] = "chunk"
    begin: Literal["in_time", "at_first"] = "in_time"

    def wrap(self, policy: Policy, protocol: suite.Protocol) -> Policy:
        """See `base.Wrapping`.

        Raises:
            UsageError: actions are absolute.
        """
        if self.latency == 0:
            return policy
        return RealtimePolicy(policy, self, effective_replan(protocol, policy.spec))

    def steps(self, seconds: float) -> int:
        """How many steps pass in a time, the one under way included."""
        return math.ceil(seconds * self.hz - _ROUNDING)


@dataclass
class _Course:
    """An episode's actions as they come.

    Attributes:
        last: (D,) the action executed last.
        chunk: (N, D) what is being executed, as far as it is left.
        coming: the chunk that is under way; None if none is.
        left: steps until it arrives.
        due: steps until the next question.
        asked: how often the policy was asked in this episode.
        passed, stale, stalled: steps since it was asked last; those of them in which the robot went on with a chunk
            although a newer one was under way; those in which it stood still.
    """

    last: Actions
    chunk: Actions
    coming: Actions | None = None
    left: int = 0
    due: int = 0
    asked: int = 0
    passed: int = 0
    stale: int = 0
    stalled: int = 0

    def wait(self, steps: int, still: Callable[[Actions], Actions], goes_on: bool, in_time: bool) -> Actions:
        """(steps, D): what the robot does meanwhile.

        Args:
            steps: how many.
            still: makes an action that stands still after another.
            goes_on: whether it goes on with the chunk that it has.
            in_time: whether of a chunk that arrives what would have been done meanwhile is dropped.
        """
        going = self.chunk[:steps] if goes_on else self.chunk[:0]
        self.chunk = self.chunk[steps:]  # its time passes, executed or not
        standing = np.tile(still(going[-1] if len(going) else self.last), (steps - len(going), 1))
        self.stale += len(going)
        self.stalled += len(standing)
        self.left -= steps
        if not self.left and self.coming is not None:
            self.chunk, self.coming = self.coming[self.stale if in_time else 0 :], None
        return np.concatenate([going, standing])

    def go_on(self, steps: int) -> Actions:
        """(up to steps, D): the next actions of the chunk."""
        going, self.chunk = self.chunk[:steps], self.chunk[steps:]
        return going

    def done(self, actions: Actions) -> Actions:
        """These are executed."""
        self.passed += len(actions)
        self.due -= len(actions)
        self.last = actions[-1]
        return actions

    def figures(self) -> dict[str, float]:
        """Of the time since the policy was asked last, for ``extras["figures"]``."""
        return {"steps_between_answers": self.passed, "stale_steps": self.stale, "stalled_steps": self.stalled}


class RealtimePolicy(TransformedPolicy):
    """What the robot does while the inner policy answers, and its answers as they arrive.

    An answer of this policy holds no more actions than are executed before the next query. While the inner policy is
    still at work then, it is not asked: the answer is more of the old chunk. So all of it follows from the episode's
    queries and the latency alone. The figures are means over the answers: steps between two of them (the effective
    rate is `hz` divided by it), and how many of these were stale or stood still.
    """

    def __init__(self, inner: Policy, settings: Realtime, replan: int) -> None:
        """
        Args:
            inner: the policy.
            settings: how fast time passes.
            replan: how many actions are executed for a query, at most.
        """
        late = "measured latency" if settings.latency == "measured" else f"{1e3 * settings.latency:g} ms"
        super().__init__(inner, f"{settings.hz:g} Hz, {late}", "realtime", settings.model_dump())
        self.spec = replace(
            self.spec, chunk_varies=True, deterministic=inner.spec.deterministic and settings.latency != "measured"
        )
        self._settings, self._replan = settings, replan
        self._at_start, self._gripper = still_action(inner.spec.action), gripper_columns(inner.spec.action)
        self._courses: dict[Episode, _Course] = {}

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        """What is executed next, with text, image and extras of the answer that was asked for now, if one was."""
        courses = [self._course(query) for query in queries]
        # The inner policy counts the queries that it is asked.
        asking = [replace(query, index=course.asked) for query, course in zip(queries, courses, strict=True)
                  if not course.due]  # fmt: skip
        seconds, answers = self._asked(asking)
        told = iter(answers)
        outputs: list[PolicyOutput | PolicyFailure] = []
        for course in courses:
            answer = None if course.due else next(told)
            outputs.append(answer if isinstance(answer, PolicyFailure) else self._output(course, answer, seconds))
        # Only now: a batch in which something raised is asked again, query by query.
        for query, course, output in zip(queries, courses, outputs, strict=True):
            if not isinstance(output, PolicyFailure):
                self._courses[query.episode] = course
        return policy_calls.all_of(outputs)

    def _asked(self, queries: Sequence[Query]) -> tuple[float, list[PolicyOutput | PolicyFailure]]:
        """Ask the inner policy; the seconds that an answer takes, and the answers."""
        begun = time.perf_counter()
        answers = policy_calls.act(self._inner, queries) if queries else []
        measured = time.perf_counter() - begun
        return (measured if self._settings.latency == "measured" else self._settings.latency), answers

    def _course(self, query: Query) -> _Course:
        """A copy of the episode's, to be kept if all goes well."""
        before = self._courses.get(query.episode)
        nothing = np.zeros((0, len(self._at_start)), np.float32)
        if query.index == 0 or before is None:
            return _Course(self._at_start, nothing)
        if query.new_stage:
            return _Course(before.last, nothing, asked=before.asked)
        return replace(before)

    def _still(self, after: Actions) -> Actions:
        return np.where(self._gripper, after, self._at_start)

    def _output(self, course: _Course, answer: PolicyOutput | None, seconds: float) -> PolicyOutput:
        if answer is None:
            return PolicyOutput(self._next(course))
        said = course.figures() if course.passed else {}
        new = checked_actions(answer, self.spec.action.dim)
        late, executed = self._settings.steps(seconds), min(self._replan, len(new))
        course.asked, course.passed, course.stale, course.stalled = course.asked + 1, 0, 0, 0
        course.coming, course.left = new, late
        course.due = max(late, executed) if self._settings.meanwhile == "chunk" else late + executed
        extras = dict(answer.extras)
        if said:
            extras["figures"] = {**extras.get("figures", {}), **said}
        return replace(answer, actions=self._next(course), extras=extras)

    def _next(self, course: _Course) -> Actions:
        """What is executed before the inner loop asks again, or the inner policy is asked again."""
        steps = min(course.due, self._replan)
        goes_on, in_time = self._settings.meanwhile == "chunk", self._settings.begin == "in_time"
        waited = course.wait(min(course.left, steps), self._still, goes_on, in_time)
        return course.done(np.concatenate([waited, course.go_on(steps - len(waited))]))
