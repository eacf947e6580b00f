"""What transforms promise for any policy: they compose, keep what a policy says, and depend on the episode alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from mmact_eval.errors import UsageError
from mmact_eval.rollout import effective_replan
from mmact_eval.specs import ActionSpec, PolicySpec
from mmact_eval.suite import Protocol
from mmact_eval.transforms import Transform, transformed
from mmact_eval.transforms.quantize import quantized
from mmact_eval.types import Episode, Observation, PolicyOutput, Query

ARM = ActionSpec(dim=3, control="ee_delta_pose", gripper="-1 open, +1 close")
PROTOCOL = Protocol(max_steps=100)
Actions = NDArray[np.float32]
IMAGES = {"front": np.full((4, 4, 3), 7, np.uint8), "wrist": np.full((4, 4, 3), 9, np.uint8)}


class Counting:
    """Action number n of an episode, as planned, is (n, n + 0.5, -1) / 1000; chunks vary in length."""

    def __init__(self, chunk: int = 4, action: ActionSpec = ARM, shortest: int | None = None) -> None:
        self.spec = PolicySpec("counting", action, chunk, cameras=("front", "wrist"), config={"own": 1})
        self.shortest = shortest or chunk
        self.seen: list[Query] = []
        self.closed = False

    def reset(self, episodes: Sequence[Episode]) -> None: ...

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        self.seen += queries
        return [self._answer(query) for query in queries]

    def _answer(self, query: Query) -> PolicyOutput:
        length = self.shortest + query.index % (self.spec.chunk - self.shortest + 1)
        first = float(query.observation.state["step"][0])
        numbers = np.stack([first + np.arange(length), first + np.arange(length) + 0.5, np.full(length, -1000)], axis=1)
        return PolicyOutput((numbers / 1000).astype(np.float32), text="reach", image=IMAGES["front"], extras={"a": 1})

    def close(self) -> None:
        self.closed = True


def transform(**entry: object) -> Transform:
    return Transform.model_validate(entry)


def query(index: int, step: int = 0, init_state: int = 0) -> Query:
    state = {"step": np.array([step], np.float64)}
    return Query(Observation(IMAGES, state, "do it"), Episode("s", "t", init_state, 0), index)


def executed(
    policy: Counting, *transforms: Transform, steps: int, protocol: Protocol = PROTOCOL
) -> NDArray[np.float32]:
    """The actions that the inner loop would execute in so many steps."""
    wrapped = transformed(policy, transforms, protocol)
    replan = effective_replan(protocol, wrapped.spec)
    done: list[NDArray[np.float32]] = []
    for index in range(steps):
        if len(done) >= steps:
            break
        done += list(wrapped.act([query(index, len(done))])[0].actions[:replan])
    return np.stack(done[:steps])


ACTIONS = arrays(np.float32, (5, 3), elements=st.floats(-2, 2, width=32))


@settings(deadline=None)
@given(ACTIONS, st.integers(2, 5000))
def test_quantizing_is_idempotent_near_and_within_the_range(actions: NDArray[np.float32], bins: int) -> None:
    once = quantized(actions, ARM, bins)
    np.testing.assert_array_equal(quantized(once, ARM, bins), once)
    assert np.abs(once - np.clip(actions, -1, 1)).max() <= 1.0 / (bins - 1) + 1e-6
    assert np.abs(once).max() <= 1
    assert len(np.unique(once)) <= bins


@settings(deadline=None)
@given(ACTIONS, st.integers(2, 300))
def test_quantizing_keeps_order_and_ends(actions: NDArray[np.float32], bins: int) -> None:
    order = np.argsort(actions.ravel(), kind="stable")
    assert (np.diff(quantized(actions, ARM, bins).ravel()[order]) >= 0).all()
    np.testing.assert_array_equal(quantized([[-1, 1]], ARM, bins), [[-1, 1]])


def test_quantizing_uses_the_actions_own_range() -> None:
    wide = replace(ARM, low=0.0, high=10.0)
    np.testing.assert_allclose(quantized([[0.0, 3.7, 11.0]], wide, 11), [[0, 4, 10]])


@settings(deadline=None)
@given(st.integers(0, 9), st.integers(1, 6), st.integers(1, 6), st.integers(1, 6))
def test_delay_shifts_the_executed_stream_and_loses_nothing(late: int, chunk: int, shortest: int, replan: int) -> None:
    shortest, replan = min(shortest, chunk), min(replan, chunk)
    protocol = Protocol(max_steps=100, replan=replan)
    plain = executed(Counting(chunk, shortest=shortest), steps=40, protocol=protocol)
    delayed = executed(
        Counting(chunk, shortest=shortest), transform(delay={"steps": late}), steps=40, protocol=protocol
    )
    np.testing.assert_array_equal(delayed[late:], plain[: 40 - late])
    np.testing.assert_array_equal(
        delayed[:late], np.tile(np.array([0, 0, -1], np.float32), (late, 1))
    )  # still, gripper open


def test_no_delay_is_no_transform() -> None:
    policy = Counting()
    assert transformed(policy, [transform(delay={"steps": 0})], PROTOCOL) is policy


def test_delays_of_episodes_that_share_batches_do_not_mix_and_a_retry_starts_anew() -> None:
    delayed = transformed(Counting(), [transform(delay={"steps": 3})], PROTOCOL)
    alone = transformed(Counting(), [transform(delay={"steps": 3})], PROTOCOL)
    first = delayed.act([query(0, 0), query(0, 50, init_state=1)])
    second = delayed.act([query(1, 54, init_state=1), query(1, 4)])
    expected = [alone.act([query(0, 0)])[0], alone.act([query(1, 4)])[0]]
    np.testing.assert_array_equal(first[0].actions, expected[0].actions)
    np.testing.assert_array_equal(second[1].actions, expected[1].actions)
    delayed.reset([query(0).episode])
    np.testing.assert_array_equal(delayed.act([query(0, 0)])[0].actions, expected[0].actions)


def test_a_query_that_is_asked_again_after_another_of_its_batch_failed_is_answered_the_same() -> None:
    class Failing(Counting):
        def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
            outputs = super().act(queries)
            bad = PolicyOutput(np.full((1, 3), np.nan))
            return [bad if q.episode.init_state == 1 else o for q, o in zip(queries, outputs, strict=True)]

    delayed = transformed(Failing(), [transform(delay={"steps": 2})], PROTOCOL)
    expected = executed(Counting(), transform(delay={"steps": 2}), steps=8)
    got = [delayed.act([query(0, 0)])[0].actions]
    with pytest.raises(ValueError, match="nan"):
        delayed.act([query(1, 4), query(0, 0, init_state=1)])
    got += [delayed.act([query(1, 4)])[0].actions]
    np.testing.assert_array_equal(np.concatenate(got), expected)


def test_absolute_actions_cannot_be_delayed() -> None:
    with pytest.raises(UsageError, match="joint_position"):
        transformed(Counting(action=replace(ARM, control="joint_position")), [transform(delay={"steps": 1})], PROTOCOL)


def test_a_dropped_camera_is_black_and_the_other_is_not() -> None:
    policy = Counting()
    transformed(policy, [transform(drop_camera={"camera": "wrist"})], PROTOCOL).act([query(0)])
    images = policy.seen[0].observation.images
    assert not images["wrist"].any()
    np.testing.assert_array_equal(images["front"], IMAGES["front"])
    assert IMAGES["wrist"].any()  # the caller's own image is left alone


def test_of_several_cameras_the_first_is_dropped_that_the_policy_looks_at() -> None:
    named = transformed(Counting(), [transform(drop_camera={"camera": ["gripper", "wrist", "front"]})], PROTOCOL)
    plain = transformed(Counting(), [transform(drop_camera={"camera": "wrist"})], PROTOCOL)
    assert named.spec == plain.spec
    with pytest.raises(UsageError, match=r'"gripper" or "static"; it looks at front, wrist'):
        transformed(Counting(), [transform(drop_camera={"camera": ["gripper", "static"]})], PROTOCOL)
    with pytest.raises(ValueError, match="at least 1 item"):
        transform(drop_camera={"camera": []})


def test_a_camera_that_the_policy_does_not_look_at_cannot_be_dropped() -> None:
    with pytest.raises(UsageError, match=r'"wirst"; it looks at front, wrist. Did you mean "wrist"'):
        transformed(Counting(), [transform(drop_camera={"camera": "wirst"})], PROTOCOL)


def test_replan_is_what_the_loop_follows_and_comes_before_what_depends_on_it() -> None:
    every_two = transform(replan={"steps": 2})
    late = transform(delay={"steps": 3})
    assert effective_replan(PROTOCOL, transformed(Counting(), [every_two], PROTOCOL).spec) == 2
    np.testing.assert_array_equal(
        executed(Counting(), late, every_two, steps=20), executed(Counting(), every_two, late, steps=20)
    )
    wrapped = transformed(Counting(), [transform(replan={"steps": 4}), every_two], PROTOCOL)
    assert wrapped.spec.replan == 2


def test_replan_refuses_what_would_silently_be_something_else() -> None:
    with pytest.raises(UsageError, match="chunks of 4 actions, 8 cannot"):
        transformed(Counting(), [transform(replan={"steps": 8})], PROTOCOL)
    with pytest.raises(UsageError, match="protocol fixes 3"):
        transformed(Counting(), [transform(replan={"steps": 2})], Protocol(max_steps=9, replan=3))


def test_transforms_compose_keep_what_the_policy_says_and_are_named() -> None:
    policy = Counting()
    steps = [transform(quantize={"bins": 3}), transform(delay={"steps": 1}), transform(drop_camera={"camera": "front"})]
    wrapped = transformed(policy, steps, PROTOCOL)
    output = wrapped.act([query(0, 800)])[0]
    np.testing.assert_array_equal(
        output.actions, np.array([[0, 0, -1], [1, 1, -1], [1, 1, -1], [1, 1, -1]], np.float32)
    )
    assert (output.text, output.extras) == ("reach", {"a": 1})
    assert output.image is not None
    assert wrapped.spec.name == "counting + 3 bins + 1 step late + no front"
    assert wrapped.spec.config == {
        "own": 1,
        "transforms": [{"quantize": {"bins": 3}}, {"delay": {"steps": 1}}, {"drop_camera": {"camera": "front"}}],
    }
    wrapped.close()  # type: ignore[attr-defined]
    assert policy.closed
    assert not hasattr(wrapped, "covers")


@pytest.mark.parametrize("entry", [{}, {"quantize": {"bins": 2}, "delay": {"steps": 1}}, {"quantize": None}])
def test_an_entry_is_exactly_one_transform(entry: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="one transform"):
        Transform.model_validate(entry)


def test_where_a_stage_begins_nothing_late_arrives_and_the_gripper_keeps_what_it_holds() -> None:
    class Grasping(Counting):
        def _answer(self, query: Query) -> PolicyOutput:
            actions = np.full((4, 3), 0.1, np.float32)
            actions[1:, -1] = 1.0  # closes at the second action
            return PolicyOutput(actions)

    policy = transformed(Grasping(), [transform(delay={"steps": 2})], PROTOCOL)
    policy.reset([query(0).episode])
    first = policy.act([query(0)])[0].actions
    assert first[:, -1].tolist() == pytest.approx([-1, -1, 0.1, 1])
    policy.reset([query(1).episode])
    (begun,) = policy.act([replace(query(1), new_stage=True)])
    assert begun.actions[:2].tolist() == [[0, 0, 1], [0, 0, 1]]
    np.testing.assert_allclose(begun.actions[2:, 0], 0.1)
    policy.reset([query(0).episode])
    assert policy.act([query(0)])[0].actions[:2, -1].tolist() == [-1, -1]  # another attempt starts open
