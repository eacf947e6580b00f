"""The expert for CALVIN without a simulator: its geometry, its motions, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mmact_eval.config.suite_file import load_suite
from mmact_eval.envs.calvin import plugin
from mmact_eval.envs.calvin.chains import sentences
from mmact_eval.errors import UsageError
from mmact_eval.policies.expert import make_policy
from mmact_eval.policies.expert.calvin import table
from mmact_eval.policies.expert.calvin.aside import free_x
from mmact_eval.policies.expert.calvin.fit import fits
from mmact_eval.policies.expert.calvin.hand import AHEAD, euler, euler_of, level, matrix, near, turn_between
from mmact_eval.policies.expert.calvin.motion import CLOSE, OPEN, Command, Motion
from mmact_eval.policies.expert.calvin.scene import Scene
from mmact_eval.policies.expert.calvin.tasks import SOLVERS
from mmact_eval.types import Episode, Observation, Query

SPEC = plugin.spec(load_suite("calvin-abc-d"))


def truth(task: str = "lift_red_block_table", **changes: Any) -> dict[str, Any]:
    """A scene as the environment tells it: three blocks on the table, the hand above them."""
    places = {"red": (0.05, "middle"), "blue": (0.2, "small"), "pink": (0.35, "big")}
    upright = [0.0, 0.0, float(np.sin(np.pi / 4)), float(np.cos(np.pi / 4))]
    found: dict[str, Any] = {
        "task": task,
        "scene": "D",
        "robot_obs": np.array([0.03, -0.23, 0.57, np.pi, 0.0, 1.5, 0.08, *[0.0] * 7, 1.0]),
        "robot_target": np.array([0.03, -0.23, 0.57, np.pi, 0.0, 1.5]),
        "slide": 0.0,
        "drawer": 0.0,
        "switch": 0.0,
        "blocks": {
            color: {
                "size": size,
                "position": [x, -0.12, 0.46],
                "quaternion": upright,
                "touches": [("table", "base_link")],
            }
            for color, (x, size) in places.items()
        },
        "robot_touches": [],
    }
    return found | changes


def asked(privileged: dict[str, Any] | None, index: int = 0) -> Query:
    return Query(Observation({}, {}, "do it", privileged), Episode("calvin-abc-d", "chain", 0, 0), index)


def test_there_is_a_script_for_every_task() -> None:
    assert set(SOLVERS) == set(sentences())


@pytest.mark.parametrize("task", sentences())
def test_every_task_begins_with_a_chunk_of_the_length_asked_for_and_a_text(task: str) -> None:
    (answer,) = make_policy(SPEC, chunk=5).act([asked(truth(task))])
    assert answer.actions.dtype == np.float32
    assert answer.actions.shape[1] == 7
    assert 1 <= len(answer.actions) <= 5
    assert np.abs(answer.actions).max() <= 1
    assert answer.text


def test_another_task_is_begun_anew_without_being_told() -> None:
    policy = make_policy(SPEC)
    policy.act([asked(truth("lift_red_block_table"))])
    (answer,) = policy.act([asked(truth("lift_red_block_table"), 1)])
    (other,) = policy.act([asked(truth("turn_on_led"), 2)])
    (fresh,) = make_policy(SPEC).act([asked(truth("turn_on_led"))])
    assert other.text == fresh.text
    assert np.array_equal(other.actions, fresh.actions)
    assert answer.text


@pytest.mark.parametrize(
    ("privileged", "said"), [(None, "needs ground truth"), (truth(scene="A"), "knows CALVIN's scene D, not A")]
)
def test_refuses_a_scene_that_it_does_not_know(privileged: dict[str, Any] | None, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        make_policy(SPEC).act([asked(privileged)])


def test_refuses_other_environments_and_what_only_libero_understands() -> None:
    with pytest.raises(UsageError, match='libero and calvin, and knows nothing of "robotwin"'):
        make_policy(replace(SPEC, name="robotwin"))
    with pytest.raises(UsageError, match=r'unknown argument "steady".*Known: chunk$'):
        make_policy(SPEC, steady=True)
    with pytest.raises(UsageError, match="chunk must be a whole number from 1 to 20, not 0"):
        make_policy(SPEC, chunk=0)


@pytest.mark.parametrize("length", [1, 3, 8])
def test_a_motion_leads_the_target_to_its_goal_however_it_is_cut(length: int) -> None:
    goal = np.array([0.1, -0.2, 0.5, np.pi, -0.4, 1.0])
    target, count = np.array([0.0, 0.0, 0.6, np.pi, 0.0, 1.5]), 0
    motion = Motion(Command(goal, CLOSE, "go", speed=0.5, wait=3))
    while not motion.done:
        for action in motion.next(target, length):
            target = target + action[:6] * np.repeat([0.02, 0.05], 3)
            count += 1
            assert np.abs(action).max() <= 1
            assert action[6] == CLOSE
    assert np.allclose(target, goal, atol=1e-5)
    assert count == int(np.ceil(np.linalg.norm([0.1, 0.2, 0.1]) / 0.01)) + 3


def test_the_hand_points_down_and_a_pitch_below_zero_tilts_it_ahead() -> None:
    assert np.allclose(matrix(euler())[:, 2], [0, 0, -1], atol=1e-9)
    assert np.allclose(np.abs(matrix(euler())[:, 1]), [1, 0, 0], atol=1e-9)
    tilted = matrix(euler(pitch=-0.95))
    assert tilted[1, 2] > 0.8
    assert np.allclose(np.abs(tilted[:, 1]), [1, 0, 0], atol=1e-9)


@pytest.mark.parametrize(("yaw", "pitch"), [(AHEAD, 0.0), (0.3, -0.95), (2.9, 0.4)])
def test_euler_angles_come_back(yaw: float, pitch: float) -> None:
    assert np.allclose(euler_of(matrix(euler(yaw, pitch))), euler(yaw, pitch), atol=1e-9)


def test_a_block_held_tilted_is_made_level_by_turning_the_hand_as_much() -> None:
    scene = Scene.of(truth())
    tilt = Rotation.from_euler("x", 0.6).as_matrix()
    block = replace(scene.blocks["red"], rotation=tilt @ scene.blocks["red"].rotation)
    hand = level(scene, block)
    assert turn_between(hand, scene.rotation) == pytest.approx(0.6, abs=1e-6)
    turned = hand @ scene.rotation.T @ block.rotation
    assert np.sort(np.abs(turned[2])) == pytest.approx([0, 0, 1], abs=1e-6)


def test_fingers_go_across_the_narrow_side_and_away_from_what_stands_beside() -> None:
    blocks = Scene.of(truth()).blocks
    pink = blocks["pink"]
    alone = fits(pink, [], AHEAD)[0]
    assert near(alone.yaw, AHEAD, np.pi) == pytest.approx(AHEAD)
    assert not alone.shift.any()
    beside = replace(blocks["blue"], position=pink.position + np.array([0.082, 0.0, 0.0]))
    shifted = fits(pink, [beside], AHEAD)[0]
    assert shifted.shift[0] < 0
    red = blocks["red"]
    beside = replace(blocks["blue"], position=red.position + np.array([0.05, 0.0, 0.0]))
    assert abs(fits(red, [beside], AHEAD)[0].yaw - AHEAD) == pytest.approx(np.pi / 2)


def test_the_table_moves_with_its_joints() -> None:
    assert table.door_handle_x(0.28) == pytest.approx(-0.24)
    assert table.drawer_handle_y(0.22) == pytest.approx((-0.481, -0.458))
    assert np.allclose(table.switch_bar(0.088) - table.switch_bar(0.0), [0, 0.044, 0.0762], atol=1e-4)
    assert table.shelf_opening(0.28) == pytest.approx((-0.099, 0.16))
    assert table.shelf_opening(0.0) == pytest.approx((-0.36, -0.101))


def test_a_free_place_is_the_first_far_from_all_blocks() -> None:
    blocks = list(Scene.of(truth()).blocks.values())
    assert free_x([0.05, -0.1, -0.3], blocks) == -0.1
    assert free_x([0.05, 0.12, 0.2], blocks) == 0.12


def test_what_the_robot_alone_touches_is_held() -> None:
    found = truth(robot_touches=["red", "table"])
    assert Scene.of(found).held is None
    found["blocks"]["red"]["touches"] = [("robot", "10"), ("robot", "12")]
    held = Scene.of(found).held
    assert held is not None
    assert held.color == "red"
    assert OPEN == -CLOSE
