"""The floors: noop and random follow the environment's action convention and nothing but the query."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmact_eval.compat import mismatches
from mmact_eval.errors import UsageError
from mmact_eval.policies import noop, random, toy
from mmact_eval.protocols import Policy
from mmact_eval.specs import ActionSpec, EnvSpec
from mmact_eval.types import Episode, Observation, Query

ARM = ActionSpec(7, "ee_delta_pose", "base", "axis_angle", "-1 open, +1 close")
ENV = EnvSpec("arm", {"agentview": (8, 8), "wrist": (8, 8)}, "upright", {}, ARM)
LOOK = Observation({}, {}, "do it")


def query(init_state: int = 0, index: int = 0, seed: int = 0) -> Query:
    return Query(LOOK, Episode("s", "t", init_state, seed), index)


@pytest.mark.parametrize("make", [noop.make_policy, random.make_policy])
def test_fits_any_environment(make: Callable[..., Policy]) -> None:
    for env_spec in (ENV, replace(ENV, action=ActionSpec(2, "position_delta", "world", low=-0.1, high=0.3))):
        policy = make(env_spec, chunk=5, cameras="all")
        assert isinstance(policy, Policy)
        assert mismatches(env_spec, policy.spec) == []
        outputs = policy.act([query(0), query(1)])
        assert [output.actions.shape for output in outputs] == [(5, env_spec.action.dim)] * 2
        assert {output.actions.dtype for output in outputs} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("gripper", "value"),
    [("-1 open, +1 close", -1), ("0 closed, 1 open", 1), ("0.04 open, 0 closed", 0.04), ("+1 is closed", -1), ("", 0)],
)
def test_noop_holds_still_with_an_open_gripper(gripper: str, value: float) -> None:
    actions = noop.make_policy(replace(ENV, action=replace(ARM, gripper=gripper))).act([query()])[0].actions
    assert not actions[:, :-1].any()
    np.testing.assert_array_equal(actions[:, -1], np.float32(value))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, unique=True), st.integers(0, 9))
def test_random_actions_depend_on_the_query_alone(asked: list[tuple[int, int]], seed: int) -> None:
    policy, fresh = random.make_policy(ENV), random.make_policy(ENV)
    queries = [query(init_state, index, seed) for init_state, index in asked]
    batch = [output.actions for output in policy.act(queries)]
    alone = [fresh.act([one])[0].actions for one in reversed(queries)][::-1]
    for together, single in zip(batch, alone, strict=True):
        np.testing.assert_array_equal(together, single)
    assert len({actions.tobytes() for actions in batch}) == len(asked)


def test_random_fills_the_range() -> None:
    env_spec = replace(ENV, action=replace(ARM, low=-0.5, high=2.0))
    actions = random.make_policy(env_spec, chunk=500).act([query()])[0].actions
    assert actions.min() >= -0.5
    assert actions.max() <= 2.0
    assert actions.min() < -0.4
    assert actions.max() > 1.9


@pytest.mark.parametrize(
    ("given_cameras", "names"),
    [((), ()), ("", ()), ("all", ("agentview", "wrist")), ("wrist", ("wrist",)), (["wrist", "wrist"], ("wrist",)),
     ("wrist, agentview", ("wrist", "agentview"))],
)  # fmt: skip
@pytest.mark.parametrize("module", [noop, random])
def test_cameras_are_chosen(module: Any, given_cameras: Any, names: tuple[str, ...]) -> None:
    assert module.make_policy(ENV, cameras=given_cameras).spec.cameras == names


@pytest.mark.parametrize("module", [noop, random, toy])
@pytest.mark.parametrize("chunk", [0, -1, 2.0, "8", True, None])
def test_wrong_chunks_are_refused(module: Any, chunk: Any) -> None:
    with pytest.raises(UsageError, match="chunk must be an integer ≥ 1"):
        module.make_policy(ENV, chunk=chunk)


@pytest.mark.parametrize("module", [noop, random])
def test_wrong_cameras_are_refused(module: Any) -> None:
    with pytest.raises(UsageError, match=r'no camera "wirst"; it offers agentview, wrist\. Did you mean "wrist"'):
        module.make_policy(ENV, cameras="agentview,wirst")
    with pytest.raises(UsageError, match="names with commas"):
        module.make_policy(ENV, cameras=3)


def test_toy_refuses_a_detour_that_is_no_yes_or_no() -> None:
    wrong: Any = "no"
    with pytest.raises(UsageError, match="true or false"):
        toy.make_policy(detour=wrong)
