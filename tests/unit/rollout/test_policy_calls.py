"""How a policy is called: what it may not return, and what wrappers make of answers of which some are missing."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from mmact_eval.engine.batcher import Answer, PolicyBatcher
from mmact_eval.errors import PolicyContractError, PolicyFailure, SomeQueriesFailed
from mmact_eval.protocols import Policy
from mmact_eval.recording.perturbed import Perturbed
from mmact_eval.rollout import policy_calls, run_episode
from mmact_eval.specs import ActionSpec, PolicySpec
from mmact_eval.suite import Protocol
from mmact_eval.transforms import Transform, transformed
from mmact_eval.types import Episode, Observation, PolicyOutput, Query

ACTION = ActionSpec(dim=2, control="position_delta")
PROTOCOL = Protocol(max_steps=20)


def query(init_state: int, index: int = 0) -> Query:
    return Query(Observation({}, {}, "go"), Episode("s", "t", init_state, 0), index)


class Partly:
    """Has no answer for init state 1; the others get 0.3 everywhere."""

    def __init__(self, returned: Any = None) -> None:
        self.spec = PolicySpec("partly", ACTION, 2)
        self.calls: list[int] = []
        self._returned = returned

    def reset(self, episodes: Sequence[Episode]) -> None: ...

    def act(self, queries: Sequence[Query]) -> Any:
        self.calls.append(len(queries))
        if self._returned is not None:
            return self._returned()
        answers = [self._answer(query) for query in queries]
        if any(isinstance(answer, PolicyFailure) for answer in answers):
            raise SomeQueriesFailed(answers)
        return answers

    def _answer(self, query: Query) -> PolicyOutput | PolicyFailure:
        if query.episode.init_state == 1:
            return PolicyFailure("the line is dead")
        return PolicyOutput(np.full((2, 2), 0.3, np.float32))


class Raising(Partly):
    """Raises for a batch, and for init state 1."""

    def act(self, queries: Sequence[Query]) -> Any:
        self.calls.append(len(queries))
        if len(queries) > 1 or queries[0].episode.init_state == 1:
            raise RuntimeError("out of memory")
        return [self._answer(query) for query in queries]


async def _later() -> list[PolicyOutput]:
    return []


def _one_by_one() -> Any:
    yield PolicyOutput(np.zeros((2, 2), np.float32))


WRONG = {
    "a single PolicyOutput": lambda: PolicyOutput(np.zeros((2, 2), np.float32)),
    "a value of type dict": lambda: {"actions": np.zeros((2, 2))},
    "a value of type ndarray": lambda: np.zeros((2, 2)),
    "a value of type str": lambda: "forward",
    "a value of type generator": _one_by_one,
    "asynchronous": _later,
    "2 outputs for 1 queries": lambda: [PolicyOutput(np.zeros((2, 2), np.float32))] * 2,
}


@pytest.mark.parametrize("says", WRONG)
@pytest.mark.parametrize(
    "entries", [[], [{"quantize": {"bins": 5}}, {"delay": {"steps": 1}}], [{"replan": {"steps": 1}}]]
)
def test_what_is_no_list_of_answers_is_a_broken_contract_through_any_wrapper(says: str, entries: list[Any]) -> None:
    policy = transformed(Partly(WRONG[says]), [Transform.model_validate(entry) for entry in entries], PROTOCOL)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of coroutines that nobody awaited
        with pytest.raises(PolicyContractError, match=says):
            policy_calls.act(policy, [query(0)])
    batcher, answers = PolicyBatcher(policy, 8, 60), list[Answer]()
    for number in range(1 if "queries" in says else 2):
        batcher.submit(query(number), answers.append)
    batcher.answer_batch()  # once: it is not asked again query by query
    assert all(answer.contract for answer in answers)
    assert says in answers[0].error
    assert not batcher


def test_a_broken_contract_in_a_rollout_is_one_whoever_calls() -> None:
    from test_own_observations import Still

    result = run_episode(Still(), Partly(WRONG["asynchronous"]), Episode("s", "t", 0, 0), PROTOCOL)
    assert (result.outcome, result.error_kind) == ("error", "contract")


@pytest.mark.parametrize(
    ("wrap", "first"),
    [
        (lambda policy: transformed(policy, [Transform.model_validate({"quantize": {"bins": 3}})], PROTOCOL), 0.0),
        (lambda policy: transformed(policy, [Transform.model_validate({"delay": {"steps": 1}})], PROTOCOL), 0.0),
        (lambda policy: Perturbed(policy, PROTOCOL, noise=0.5), None),
    ],
    ids=["quantize", "delay", "noise"],
)
def test_answers_beside_one_that_is_missing_are_changed_as_ever(wrap: Any, first: float | None) -> None:
    alone: Policy = wrap(Partly())
    expected = [policy_calls.all_of(policy_calls.act(alone, [query(k)]))[0].actions for k in (0, 2)]
    together = policy_calls.act(wrap(Partly()), [query(0), query(1), query(2)])
    assert isinstance(together[1], PolicyFailure)
    for answer, right in zip((together[0], together[2]), expected, strict=True):
        assert isinstance(answer, PolicyOutput)
        np.testing.assert_array_equal(answer.actions, right)
        assert answer.actions[0, 0] != np.float32(0.3)
        assert first is None or answer.actions[0, 0] == first


def test_a_batch_that_raised_is_asked_again_one_query_a_turn_in_order() -> None:
    policy = Raising()
    batcher, answers = PolicyBatcher(policy, 8, 60), list[Answer]()
    for number in range(3):
        batcher.submit(query(number), answers.append)
    turns = []
    while batcher:
        batcher.answer_batch()
        turns.append(len(answers))
        if len(turns) == 2:
            batcher.submit(query(7), answers.append)
    assert turns == [0, 1, 2, 3, 4]  # so that whoever looks after the clock does so in between
    assert policy.calls == [3, 1, 1, 1, 1]
    assert [answer.error for answer in answers] == ["", "RuntimeError: out of memory", "", ""]
