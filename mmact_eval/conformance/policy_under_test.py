"""What the trials of a policy share: the questions, and answers to them in several orders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from mmact_eval.conformance.promise import Skipped
from mmact_eval.conformance.questions import Questions
from mmact_eval.policy_output import plain_output
from mmact_eval.protocols import Policy
from mmact_eval.rollout import policy_calls
from mmact_eval.rollout.seen import seen_by
from mmact_eval.specs import EnvSpec
from mmact_eval.types import Episode, PolicyOutput, Query

Answers = dict[tuple[Episode, int], PolicyOutput]
"""(episode, number of the query) → what was answered, as plain data of its own."""


class PolicyUnderTest:
    """A policy, what it acts in, and what it is asked.

    Attributes:
        policy, env_spec: what is checked, and the environment that it should fit.
        asked: for each episode its queries, in order; empty if there are none that it could answer.
    """

    def __init__(self, policy: Policy, env_spec: EnvSpec) -> None:
        self.policy, self.env_spec = policy, env_spec
        self.asked: Questions = []

    @property
    def innermost(self) -> Any:
        """The object that its author wrote, without wrappers of ours."""
        policy: Any = self.policy
        while "_inner" in getattr(policy, "__dict__", {}):
            policy = policy.__dict__["_inner"]
        return policy

    @property
    def questions(self) -> Questions:
        """For each episode its queries, in order.

        Raises:
            Skipped: there are none.
        """
        if not self.asked:
            raise Skipped("it needs simulator ground truth, which cannot be made up: give a suite")
        return self.asked

    @property
    def first(self) -> Query:
        """The first question of all."""
        return self.questions[0][0]

    def ask(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        """One call of `act`, with observations of their own; whatever comes back, one per query.

        Raises:
            PolicyContractError, SomeQueriesFailed: it is no list of as many.
        """
        seen = [seen_by(self.policy.spec, query) for query in queries]
        return policy_calls.all_of(policy_calls.act(self.policy, seen))

    def reset(self) -> None:
        """Let all episodes begin."""
        policy_calls.reset(self.policy, [queries[0].episode for queries in self.questions])

    def answers(self, calls: Sequence[Sequence[Query]]) -> Answers:
        """From the beginning of all episodes, the answers to these calls of `act`."""
        self.reset()
        found: Answers = {}
        for queries in calls:
            for query, output in zip(queries, self.ask(queries), strict=True):
                found[query.episode, query.index] = self.plain(output)
        return found

    def plain(self, output: PolicyOutput) -> PolicyOutput:
        """As plain data with arrays of its own.

        Raises:
            PolicyContractError, ValueError: the actions are no chunk of finite numbers of the environment's width.
        """
        made = plain_output(output, self.env_spec.action.dim)
        return PolicyOutput(made.actions.copy(), made.text, None if made.image is None else made.image.copy())

    def one_by_one(self) -> list[list[Query]]:
        """Calls with one query each; the episodes take turns."""
        return [[query] for round_ in zip(*self.questions, strict=True) for query in round_]

    def one_after_the_other(self) -> list[list[Query]]:
        """Calls with one query each; an episode after the other."""
        return [[query] for queries in self.questions for query in queries]

    def together(self) -> list[list[Query]]:
        """Calls with a query of each episode."""
        return [list(round_) for round_ in zip(*self.questions, strict=True)]

    @cached_property
    def reference(self) -> Answers:
        """The answers to `one_by_one`."""
        return self.answers(self.one_by_one())


def differences(one: Answers, other: Answers) -> Iterator[str]:
    """What is not bit-equal, in words."""
    for (episode, index), first in one.items():
        second = other[episode, index]
        where = f"query {index} of {episode.key}"
        if first.actions.shape != second.actions.shape:
            yield f"{where}: chunks of {len(first.actions)} and {len(second.actions)} actions"
        elif first.actions.tobytes() != second.actions.tobytes():
            yield f"{where}: actions differ by {np.abs(first.actions - second.actions).max():g} at most"
        if first.text != second.text:
            yield f"{where}: texts differ"
        if (first.image is None) != (second.image is None) or not np.array_equal(
            np.asarray(first.image), np.asarray(second.image)
        ):
            yield f"{where}: images differ"


def close(one: Answers, other: Answers, tolerance: float) -> bool:
    """Whether all actions agree within a tolerance, and all texts are the same."""
    return all(
        first.text == other[key].text
        and first.actions.shape == other[key].actions.shape
        and bool(np.abs(first.actions - other[key].actions).max() <= tolerance)
        for key, first in one.items()
    )
