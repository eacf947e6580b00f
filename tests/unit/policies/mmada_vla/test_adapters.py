"""Cameras, states, words and conventions of each robot, and options that make no sense."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mmact_eval.compat import mismatches
from mmact_eval.config.suite_file import load_suite
from mmact_eval.envs.calvin import spec as calvin
from mmact_eval.envs.libero.catalog import BENCHMARKS, benchmark_tasks
from mmact_eval.envs.libero.spec import env_spec
from mmact_eval.envs.robotwin import spec as robotwin
from mmact_eval.errors import UsageError
from mmact_eval.policies.mmada_vla.policy.adapters import CALVIN, LIBERO, Adapter, adapter_for, as_trained
from mmact_eval.policies.mmada_vla.policy.options import read_options
from mmact_eval.policies.mmada_vla.policy.own_defaults import OwnDefaults
from mmact_eval.policies.mmada_vla.prompts import spoken
from mmact_eval.policies.mmada_vla.states import WIDTHS
from mmact_eval.specs import ActionSpec, EnvSpec, PolicySpec
from mmact_eval.types import Observation

LIBERO_ENV = env_spec(load_suite("libero-long"))
CALVIN_ENV = calvin.env_spec(load_suite("calvin-abc-d"))
ROBOTWIN_ENV = robotwin.env_spec(load_suite("robotwin-mmact8"))


@pytest.mark.parametrize(("env", "adapter"), [(LIBERO_ENV, LIBERO), (CALVIN_ENV, CALVIN)], ids=["libero", "calvin"])
def test_each_robot_fits_its_environment(env: EnvSpec, adapter: Adapter) -> None:
    assert adapter_for(env, "as_released") is adapter
    spec = PolicySpec(
        "mmada-vla", adapter.action, adapter.chunk, cameras=adapter.cameras, state=adapter.state,
        image_convention=adapter.image_convention,
    )  # fmt: skip
    assert mismatches(env, spec) == []
    assert sum(adapter.take) in WIDTHS


def test_images_that_are_not_turned_are_refused() -> None:
    upside_down = env_spec(load_suite("libero-long", ["protocol.rotation=0"]))
    spec = PolicySpec("mmada-vla", LIBERO.action, 5, cameras=LIBERO.cameras, image_convention=LIBERO.image_convention)
    (problem,) = mismatches(upside_down, spec)
    assert "image orientation" in problem


def test_views_come_in_the_models_order_and_as_they_are() -> None:
    images: dict[str, Any] = {
        "gripper": np.full((84, 84, 3), 1, np.uint8),
        "static": np.full((200, 200, 3), 2, np.uint8),
    }
    third, wrist = CALVIN.views(Observation(images, {}, "go"))
    np.testing.assert_array_equal(third, images["static"])
    np.testing.assert_array_equal(wrist, images["gripper"])


def test_liberos_state_is_pose_and_fingers_unscaled_to_the_last_digit() -> None:
    state = {
        "eef_pos": np.array([0.1, 1 / 3, 6.1e-05]),
        "eef_axis_angle": np.array([3.0, 0.5, -1.0]),
        "gripper_qpos": np.array([0.04, -0.04]),
        "joint_pos": np.zeros(7),
    }
    vector = LIBERO.vector(state)
    assert vector.dtype == np.float64
    assert spoken("go", vector) == "go\n0.1 0.3333333333333333 6.1e-05 3.0 0.5 -1.0 0.04 -0.04"


def test_calvins_state_is_its_robot_obs() -> None:
    robot_obs = np.linspace(-1.0, 1.0, 15)
    state, rest = {}, robot_obs
    for key, spec in CALVIN_ENV.state.items():  # as the environment takes it apart
        state[key], rest = rest[: spec.dim], rest[spec.dim :]
    np.testing.assert_array_equal(CALVIN.vector(state), robot_obs)
    assert CALVIN.state == CALVIN_ENV.proprioception


def test_a_state_of_another_width_is_named() -> None:
    state = {"eef_pos": np.zeros(3), "eef_axis_angle": np.zeros(3), "gripper_qpos": np.zeros(1)}
    with pytest.raises(UsageError, match=r"state of 8 numbers .* gripper_qpos of 1"):
        LIBERO.vector(state)


def test_other_robots_are_refused_in_one_line() -> None:
    toy = replace(LIBERO_ENV, name="toy", action=ActionSpec(2, "position_delta"))
    for env, says in ((toy, r"toy takes 2 \(position_delta\)"), (ROBOTWIN_ENV, "robotwin takes 14")):
        with pytest.raises(UsageError, match=says) as told:
            adapter_for(env, "as_released")
        assert "\n" not in str(told.value)


def test_of_calvin_there_is_one_instruction() -> None:
    with pytest.raises(UsageError, match="instruction=as_trained is for LIBERO"):
        adapter_for(CALVIN_ENV, "as_trained")


@pytest.mark.libero
@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_as_trained_a_task_is_told_by_its_files_name(benchmark: str) -> None:
    for task in benchmark_tasks(benchmark):
        assert as_trained(task.name, task.language) == task.name.replace("_", " ")


def test_only_scenes_are_put_in_front_and_changed_words_stay() -> None:
    assert as_trained("KITCHEN_SCENE3_turn_on_the_stove", "switch the stove on") == "KITCHEN SCENE3 switch the stove on"
    assert as_trained("pick_up_the_milk", "get the milk") == "get the milk"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"attention": "hybird"}, "attention must be full or hybrid, got 'hybird'. Did you mean \"hybrid\""),
        ({"instruction": "trained"}, "instruction must be as_released or as_trained"),
        ({"steps": 0}, "steps must be a whole number from 1"),
        ({"refresh": 1.5}, "refresh must be a whole number from 1"),
        ({"replan": 0}, "replan must be a whole number from 1"),
        ({"goal": -1}, "goal must be a whole number from 0"),
        ({"temperature": "hot"}, "temperature must be a number"),
        ({"noise": -1.0}, "noise must be a number that is not negative"),
    ],
)
def test_options_that_make_no_sense_are_named(given: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=f"policy mmada-vla: {says}"):
        read_options(given)


def test_more_actions_than_an_answer_holds_cannot_be_executed() -> None:
    read_options({"replan": 10}).require_chunk(10)
    with pytest.raises(UsageError, match="replan must be a whole number from 1 to 5, got 6"):
        read_options({"replan": 6}).require_chunk(5)


def test_a_checkpoints_own_defaults_hold_where_nothing_else_was_asked() -> None:
    own = OwnDefaults(name="mine", attention="hybrid", steps=12)
    options = read_options(own.fill({"attention": None, "steps": 6, "refresh": None, "goal": 2}))
    assert (options.attention, options.steps, options.refresh, options.goal) == ("hybrid", 6, 6, 2)
