"""Cameras, states and conventions of each robot, and options that make no sense."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mmact_eval.compat import mismatches
from mmact_eval.config.suite_file import load_suite
from mmact_eval.envs.calvin import spec as calvin
from mmact_eval.envs.libero.spec import env_spec
from mmact_eval.envs.robotwin import spec as robotwin
from mmact_eval.errors import UsageError
from mmact_eval.policies.mmact.adapters import Adapter, adapter_for, one_arm, two_arms
from mmact_eval.policies.mmact.options import VARIANTS, read_options
from mmact_eval.specs import ActionSpec, PolicySpec
from mmact_eval.types import Observation

LIBERO = env_spec(load_suite("libero-long"))
ROBOTWIN = robotwin.env_spec(load_suite("robotwin-mmact8", ["env_args.action=ee"]))
CALVIN = calvin.env_spec(load_suite("calvin-abc-d"))
STATE = {
    "joint_pos": np.arange(1.0, 8.0),
    "gripper_qpos": np.array([0.04, -0.04]),
    "eef_pos": np.array([0.1, 0.2, 0.3]),
    "eef_axis_angle": np.array([3.0, 0.5, -1.0]),
    "eef_quat": np.array([0.0, 0.0, 0.0, 1.0]),
}


def spec_of(adapter: Adapter) -> PolicySpec:
    return PolicySpec(
        "mmact", adapter.action, 8, cameras=adapter.cameras, state=adapter.state,
        image_convention=adapter.image_convention,
    )  # fmt: skip


@pytest.mark.parametrize("mode", ["as_released", "eef_axisangle_gripper2"])
def test_one_arm_fits_every_libero_suite(mode: str) -> None:
    adapter = adapter_for(LIBERO, mode)
    assert adapter.cameras == ("agentview", "wrist")
    assert mismatches(LIBERO, spec_of(adapter)) == []


def test_two_arms_fit_robotwin() -> None:
    adapter = adapter_for(ROBOTWIN, "as_released")
    assert adapter.cameras == ("head_camera", "left_camera", "right_camera")
    assert mismatches(ROBOTWIN, spec_of(adapter)) == []


def test_images_that_are_not_turned_are_refused() -> None:
    upside_down = env_spec(load_suite("libero-long", ["protocol.rotation=0"]))
    (problem,) = mismatches(upside_down, spec_of(one_arm("as_released")))
    assert "image orientation" in problem


def test_the_images_reach_the_model_as_they_are_in_its_order() -> None:
    images: dict[str, Any] = {
        "wrist": np.full((4, 4, 3), 1, np.uint8),
        "agentview": np.arange(48, dtype=np.uint8).reshape(4, 4, 3),
    }
    views = one_arm("as_released").views(Observation(images, STATE, "go"))
    np.testing.assert_array_equal(views[0], images["agentview"])
    np.testing.assert_array_equal(views[1], images["wrist"])


def test_the_released_state_is_joints_and_a_finger() -> None:
    np.testing.assert_allclose(
        one_arm("as_released").vector(STATE), [1.0, 2.0, 3.0, 4.0 / 5, 5.0 / 5, 6.0 / 5, 7.0, 0.04]
    )
    assert STATE["joint_pos"][3] == 4.0  # the observation is left alone


def test_the_trained_state_is_the_hands_pose_and_both_fingers() -> None:
    np.testing.assert_allclose(
        one_arm("eef_axisangle_gripper2").vector(STATE), [0.1, 0.2, 0.3, 0.6, 0.1, -0.2, 0.04, -0.04]
    )


def test_the_state_of_two_arms_is_raw() -> None:
    poses = np.linspace(-1.5, 1.5, 16)
    np.testing.assert_array_equal(two_arms("as_released").vector({"endpose": poses}), poses)


@pytest.mark.parametrize("adapter", [one_arm("as_released"), two_arms("as_released")])
def test_a_state_of_another_width_is_named(adapter: Adapter) -> None:
    with pytest.raises(UsageError, match=r"got (joint_pos|endpose) of 3"):
        adapter.vector({**STATE, "joint_pos": np.zeros(3), "endpose": np.zeros(3)})


def test_other_robots_are_refused() -> None:
    toy = replace(LIBERO, name="toy", action=ActionSpec(2, "position_delta"))
    with pytest.raises(UsageError, match=r"7 numbers .* or 16 .*; toy takes 2 \(position_delta\)"):
        adapter_for(toy, "as_released")
    joints = robotwin.env_spec(load_suite("robotwin-mmact8"))
    with pytest.raises(UsageError, match=r"env_args\.action=ee"):
        adapter_for(joints, "as_released")
    with pytest.raises(UsageError, match="one arm"):
        adapter_for(ROBOTWIN, "eef_axisangle_gripper2")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"decoding": "argmx"}, 'Did you mean "argmax"'),
        ({"state_mode": "joints"}, "state_mode must be"),
        ({"pad_mask": "none"}, "pad_mask must be"),
        ({"steps": 0}, "steps must be a whole number from 1"),
        ({"steps": 1.5}, "steps must be"),
        ({"replan": 9}, "replan must be a whole number from 1 to 8"),
        ({"plan": -1}, "plan must be"),
        ({"subgoal": True}, "subgoal must be"),
        ({"temperature": "hot"}, "temperature must be a number"),
        ({"noise": -1.0}, "noise must be"),
        ({"temperature": 0.0}, "decoding=argmax"),
        ({"temperature": 0.5, "decoding": "argmax"}, "no meaning"),
        ({"plan_steps": 64, "plan_tokens": 32}, "plan_steps 64 is more"),
    ],
)
def test_options_that_make_no_sense_are_named(given: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        read_options("vanilla", given)


def test_variants_are_presets() -> None:
    with pytest.raises(UsageError, match="variant must be"):
        read_options("words", {})
    said = {name: (o.plan > 0, o.subgoal > 0) for name in VARIANTS if (o := read_options(name, {"plan": None}))}
    assert said == {
        "vanilla": (False, False), "text": (True, False), "image": (False, True), "text-image": (True, True),
    }  # fmt: skip
    assert read_options("text-image", {"plan": 0, "subgoal": 2}).subgoal == 2
    assert read_options("text-image", {"plan": 0}).plan == 0


def test_calvins_arm_has_conventions_of_its_own() -> None:
    adapter = adapter_for(CALVIN, "as_released")
    assert not mismatches(CALVIN, spec_of(adapter))
    state = {
        "tcp_pos": np.array([0.1, 0.2, 0.3]),
        "tcp_euler": np.array([3.0, -0.5, 1.5]),
        "gripper_width": np.array([0.08]),
        "gripper_action": np.array([-1.0]),
    }
    np.testing.assert_allclose(adapter.vector(state), [0.1, 0.2, 0.3, 0.6, -0.1, 0.3, 0.08, -1.0])
    with pytest.raises(UsageError, match="is for one arm of LIBERO"):
        adapter_for(CALVIN, "eef_axisangle_gripper2")
