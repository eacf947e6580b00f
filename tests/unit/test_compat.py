"""A policy that does not fit is stopped before any rollout, with both sides named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mmact_eval.compat import check, mismatches
from mmact_eval.errors import IncompatibleError
from mmact_eval.specs import ActionSpec, EnvSpec, PolicySpec, StateSpec

ACTION = ActionSpec(7, "ee_delta_pose", "base", "axis_angle", "-1 open, +1 close", -1, 1, 20)
ENV = EnvSpec("libero", {"agentview": (256, 256)}, "rotated 180°", {"eef_pos": StateSpec(3, "m")}, ACTION)
POLICY = PolicySpec("mine", ACTION, chunk=8, cameras=("agentview",), state=("eef_pos",))


def test_a_fitting_policy_passes() -> None:
    check(ENV, POLICY)


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        (replace(POLICY, cameras=("agent_view",)), 'Did you mean "agentview"'),
        (replace(POLICY, image_size=(224, 224)), "resolution=224"),
        (replace(POLICY, image_convention="upright"), "protocol.rotation"),
        (replace(POLICY, state=("joint_pos",)), "joint_pos"),
        (replace(POLICY, action=replace(ACTION, dim=6)), "the policy says 6, libero takes 7"),
        (replace(POLICY, action=replace(ACTION, gripper="+1 open, -1 close")), "action gripper"),
        (replace(POLICY, action=replace(ACTION, hz=10)), "action hz"),
        (replace(POLICY, privileged=True), "ground truth"),
        (replace(POLICY, replan=9), "replan"),
        (replace(POLICY, chunk=0), "chunk"),
    ],
)
def test_each_mismatch_is_named(policy: PolicySpec, says: str) -> None:
    with pytest.raises(IncompatibleError, match=says.replace("(", r"\(")):
        check(ENV, policy)


def test_all_mismatches_come_at_once() -> None:
    worse = replace(POLICY, cameras=("top",), state=("x",), action=replace(ACTION, dim=3))
    assert len(mismatches(ENV, worse)) == 3


def test_what_an_environment_does_not_have_is_left_empty() -> None:
    env = replace(ENV, action=replace(ENV.action, gripper=""))
    (problem,) = mismatches(env, POLICY)
    assert problem.endswith("takes ''; it has none: leave `gripper` empty.")


def test_words_for_readers_of_an_action_are_not_compared() -> None:
    env = replace(ENV, action=replace(ACTION, description="x, y, z: 1 is 0.05 m"))
    assert mismatches(env, POLICY) == []
    assert env.action == POLICY.action
