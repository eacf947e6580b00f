"""A world that does not wait, compared with a second account of it: step by step, with a clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mmact_eval.errors import PolicyFailure, SomeQueriesFailed, UsageError
from mmact_eval.protocols import Policy
from mmact_eval.rollout import effective_replan
from mmact_eval.specs import ActionSpec, PolicySpec
from mmact_eval.suite import Protocol
from mmact_eval.transforms import Transform, transformed
from mmact_eval.types import Episode, Observation, PolicyOutput, Query

ARM = ActionSpec(dim=3, control="ee_delta_pose", gripper="-1 open, +1 close")
STILL = np.array([0, 0, -1], np.float32)
Actions = NDArray[np.float32]


class Planner:
    """Its k-th answer to what it sees at step n is (n + i + 1, k, 1) / 1000 for action i; chunks vary in length."""

    def __init__(self, chunk: int = 6, shortest: int | None = None, action: ActionSpec = ARM) -> None:
        self.spec = PolicySpec("planner", action, chunk)
        self._shortest = shortest or chunk
        self.asked: list[Query] = []

    def reset(self, episodes: Sequence[Episode]) -> None: ...

    def answer(self, step: int, index: int) -> Actions:
        length = self._shortest + index % (self.spec.chunk - self._shortest + 1)
        numbers = [(step + i + 1, index, 1000) for i in range(length)]
        return np.array(numbers, np.float32) / 1000

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        self.asked += queries
        return [
            PolicyOutput(self.answer(int(query.observation.state["step"][0]), query.index), text=f"{query.index}")
            for query in queries
        ]


def realtime(policy: Policy, protocol: Protocol, **settings: object) -> Policy:
    return transformed(policy, [Transform.model_validate({"realtime": settings})], protocol)


def query(index: int, step: int, init_state: int = 0, new_stage: bool = False) -> Query:
    seen = Observation({}, {"step": np.array([step], np.float64)}, "go")
    return Query(seen, Episode("s", "t", init_state, 0), index, new_stage)


def rolled_out(policy: Policy, protocol: Protocol, steps: int) -> tuple[Actions, list[PolicyOutput]]:
    """What the inner loop executes in so many steps, and the answers."""
    replan = effective_replan(protocol, policy.spec)
    done: list[Actions] = []
    outputs: list[PolicyOutput] = []
    while len(done) < steps:
        (output,) = policy.act([query(len(outputs), len(done))])
        assert 1 <= len(output.actions) <= replan
        outputs.append(output)
        done += list(output.actions)
    return np.stack(done[:steps]), outputs


def by_the_clock(policy: Planner, replan: int, late: int, steps: int, meanwhile: str, begin: str) -> Actions:
    """The same, step by step: an answer is asked for, is under way, arrives, and is executed from then on."""
    chunk: list[Actions] = []
    coming: list[Actions] | None = None
    arrives, ask_next, asked, waiting, moved = -1, 0, 0, False, 0
    last, executed = STILL, []
    for step in range(steps):
        if coming is None and step >= ask_next:
            coming = list(policy.answer(step, asked))
            arrives, ask_next, asked = step + late, step + min(replan, len(coming)), asked + 1
            ask_next += late if meanwhile == "still" else 0
            waiting, moved = True, 0
        if coming is not None and step == arrives:
            chunk, coming, waiting = coming[moved:] if begin == "in_time" else coming, None, False
            if step >= ask_next and late:  # it took longer than the next question could wait
                coming = list(policy.answer(step, asked))
                arrives, ask_next, asked = step + late, step + min(replan, len(coming)), asked + 1
                waiting, moved = True, 0
        following = chunk.pop(0) if chunk else None
        if following is None or (waiting and meanwhile == "still"):
            following = np.array([0, 0, last[2]], np.float32)
        else:
            moved += waiting
        last = following
        executed.append(following)
    return np.stack(executed)


@settings(deadline=None, max_examples=300)
@given(
    st.integers(1, 15),
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(1, 6),
    st.sampled_from(["chunk", "still"]),
    st.sampled_from(["in_time", "at_first"]),
)
def test_what_is_executed_is_what_a_clock_says(
    late: int, chunk: int, shortest: int, replan: int, meanwhile: str, begin: str
) -> None:
    shortest, replan = min(shortest, chunk), min(replan, chunk)
    protocol = Protocol(max_steps=100, replan=replan)
    policy = realtime(
        Planner(chunk, shortest), protocol, hz=20, latency=late / 20, meanwhile=meanwhile, begin=begin
    )  # fmt: skip
    executed, _ = rolled_out(policy, protocol, 40)
    expected = by_the_clock(Planner(chunk, shortest), replan, late, 40, meanwhile, begin)
    np.testing.assert_array_equal(executed, expected)


def test_no_latency_is_the_ordinary_run() -> None:
    policy = Planner()
    assert realtime(policy, Protocol(max_steps=9), hz=20, latency=0) is policy


def test_a_policy_with_chunks_long_enough_never_stands_still_again() -> None:
    protocol = Protocol(max_steps=100, replan=3)
    executed, outputs = rolled_out(realtime(Planner(6), protocol, hz=10, latency=0.21), protocol, 30)
    np.testing.assert_array_equal(executed[:3], [STILL] * 3)
    # The first chunk begins where the robot has waited for it, the others where it has gone on meanwhile.
    np.testing.assert_allclose(executed[3:, 0] * 1000, [1, 2, 3, *np.arange(7, 31)], rtol=1e-5)
    assert "figures" not in outputs[0].extras
    assert outputs[1].extras["figures"] == {"steps_between_answers": 3, "stale_steps": 0, "stalled_steps": 3}
    assert outputs[2].extras["figures"] == {"steps_between_answers": 3, "stale_steps": 3, "stalled_steps": 0}
    assert [output.text for output in outputs[:3]] == ["0", "1", "2"]


def test_a_policy_that_is_slower_than_its_chunks_is_not_asked_meanwhile() -> None:
    inner, protocol = Planner(4), Protocol(max_steps=100, replan=2)
    executed, outputs = rolled_out(realtime(inner, protocol, hz=10, latency=0.5), protocol, 20)
    assert [(q.index, int(q.observation.state["step"][0])) for q in inner.asked] == [(0, 0), (1, 5), (2, 10), (3, 15)]
    assert [len(output.actions) for output in outputs[:4]] == [2, 2, 1, 2]
    assert [output.text for output in outputs[:4]] == ["0", None, None, "1"]
    np.testing.assert_array_equal(executed[:5], [STILL] * 5)
    np.testing.assert_allclose(executed[5:9, 0] * 1000, [1, 2, 3, 4], rtol=1e-5)
    np.testing.assert_array_equal(executed[9], [0, 0, 1])  # stands still, the gripper as it was told last
    np.testing.assert_array_equal(executed[10:15], [[0, 0, 1]] * 5)  # a chunk of 4 is over before it is there
    late, _ = rolled_out(realtime(Planner(4), protocol, hz=10, latency=0.5, begin="at_first"), protocol, 20)
    np.testing.assert_array_equal(late[:10], executed[:10])
    np.testing.assert_allclose(late[10:14, 0] * 1000, [6, 7, 8, 9], rtol=1e-5)


def test_a_robot_that_stands_still_while_it_waits_does_all_that_is_said() -> None:
    protocol = Protocol(max_steps=100, replan=4)
    executed, _ = rolled_out(realtime(Planner(4), protocol, hz=10, latency=0.5, meanwhile="still"), protocol, 27)
    moves = executed[(executed[:, :2] != 0).any(1), 0] * 1000
    np.testing.assert_allclose(moves, [1, 2, 3, 4, 10, 11, 12, 13, 19, 20, 21, 22], rtol=1e-5)


def test_episodes_of_a_batch_do_not_mix_and_one_without_an_answer_is_asked_again() -> None:
    class Refusing(Planner):
        def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
            answers: list[PolicyOutput | PolicyFailure] = list(super().act(queries))
            if len(queries) > 1:
                answers[1] = PolicyFailure("away")
                raise SomeQueriesFailed(answers)
            return list(super().act(queries))

    protocol = Protocol(max_steps=100, replan=3)
    policy = realtime(Refusing(), protocol, hz=10, latency=0.1)
    with pytest.raises(SomeQueriesFailed) as partly:
        policy.act([query(0, 0), query(0, 50, init_state=1)])
    alone = realtime(Planner(), protocol, hz=10, latency=0.1)
    (again,) = policy.act([query(0, 50, init_state=1)])
    (first,) = alone.act([query(0, 0)])
    (second,) = alone.act([query(0, 50, init_state=1)])
    answered = partly.value.answers[0]
    assert isinstance(answered, PolicyOutput)
    np.testing.assert_array_equal(answered.actions, first.actions)
    np.testing.assert_array_equal(again.actions, second.actions)
    (retried,) = alone.act([query(0, 0)])  # a further attempt at the episode
    np.testing.assert_array_equal(retried.actions, first.actions)


def test_where_a_stage_begins_what_is_under_way_is_dropped_and_the_gripper_is_left_alone() -> None:
    inner, protocol = Planner(), Protocol(max_steps=100, replan=3)
    policy = realtime(inner, protocol, hz=10, latency=0.2)
    policy.act([query(0, 0)])
    policy.act([query(1, 3)])
    (begins,) = policy.act([query(2, 5, new_stage=True)])
    np.testing.assert_array_equal(begins.actions[:2], [[0, 0, 1]] * 2)
    assert (inner.asked[-1].index, inner.asked[-1].new_stage) == (2, True)


def test_what_is_measured_is_not_reproducible_and_says_so() -> None:
    protocol = Protocol(max_steps=9)
    measured = realtime(Planner(), protocol, hz=20, latency="measured").spec
    given_ = realtime(Planner(), protocol, hz=20, latency=0.1).spec
    assert (measured.deterministic, given_.deterministic) == (False, True)
    assert measured.name == "planner + 20 Hz, measured latency"
    assert given_.name == "planner + 20 Hz, 100 ms"
    assert given_.config["transforms"] == [
        {"realtime": {"hz": 20.0, "latency": 0.1, "meanwhile": "chunk", "begin": "in_time"}}
    ]
    policy = realtime(Planner(), protocol, hz=1e9, latency="measured")
    np.testing.assert_array_equal(policy.act([query(0, 0)])[0].actions[0], STILL)


@pytest.mark.parametrize("wrong", [{"hz": 0}, {"latency": -1}, {"latency": "guessed"}, {"hz": float("inf")}])
def test_times_that_are_none_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="realtime"):
        Transform.model_validate({"realtime": {"hz": 20, "latency": 0.1, **wrong}})


def test_absolute_actions_are_refused() -> None:
    with pytest.raises(UsageError, match="joint_position"):
        realtime(Planner(action=replace(ARM, control="joint_position")), Protocol(max_steps=9), hz=20, latency=0.1)
