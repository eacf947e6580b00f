"""The scripted expert without a simulator: goals become plans, plans become actions, nothing depends on the batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmact_eval.errors import UsageError
from mmact_eval.policies.expert import make_policy
from mmact_eval.policies.expert.geometry import nearest_equivalent_yaw, rotation_vector, top_down
from mmact_eval.policies.expert.grasping.grasp import plan_grasps
from mmact_eval.policies.expert.moving.motion import CLOSE, OPEN, Command, plan_chunk
from mmact_eval.policies.expert.moving.placement import plan_placement
from mmact_eval.policies.expert.moving.reach import in_arm
from mmact_eval.policies.expert.moving.release import roomy_spot
from mmact_eval.policies.expert.moving.transport import way_up
from mmact_eval.policies.expert.plan import in_order, prerequisite
from mmact_eval.policies.expert.skills.push import plan_contact
from mmact_eval.policies.expert.world import World
from mmact_eval.types import Episode, Observation, Query

Scene = dict[str, Any]
BASKET_WALLS = [
    ((0.0, 0.25, 0.008), (0.07, 0.07, 0.008)),
    ((-0.07, 0.25, 0.075), (0.007, 0.07, 0.075)),
    ((0.07, 0.25, 0.075), (0.007, 0.07, 0.075)),
    ((0.0, 0.18, 0.075), (0.07, 0.007, 0.075)),
    ((0.0, 0.32, 0.075), (0.07, 0.007, 0.075)),
]


def make_scene(goal: list[list[str]] | None = None, holds: list[bool] | None = None, yaw: float = 0.0) -> Scene:
    """A floor with a flat box (4 by 8 by 2 cm) and a basket, and the robot where LIBERO's episodes start.

    Shapes and sizes are those of the cream cheese and the basket in libero_object.
    """
    turn = np.array([[np.cos(yaw), -np.sin(yaw), 0.0], [np.sin(yaw), np.cos(yaw), 0.0], [0.0, 0.0, 1.0]])
    goal = goal or [["in", "cream_cheese_1", "basket_1_contain_region"]]
    floor, box = ((0.0, 0.0, -0.05), (3.0, 3.0, 0.05)), ((-0.12, -0.2, 0.01), (0.02, 0.04, 0.01))
    boxes = [floor, box, *BASKET_WALLS]
    return {
        "time": 0.0,
        "goal": goal,
        "goal_holds": holds or [False] * len(goal),
        "bodies": {
            "cream_cheese_1": _body("object", box[0], turn),
            "basket_1": _body("object", (0.0, 0.25, 0.0), np.eye(3)),
        },
        "boxes": {
            "centers": np.array([center for center, _ in boxes]),
            "rotations": np.array([np.eye(3), turn, *[np.eye(3)] * len(BASKET_WALLS)]),
            "half_sizes": np.array([half for _, half in boxes]),
            "owners": np.array([0, 1] + [2] * len(BASKET_WALLS)),
            "owner_names": ["", "cream_cheese_1", "basket_1"],
        },
        "regions": {
            "basket_1_contain_region": {
                "position": np.array([0.0, 0.25, 0.07]),
                "rotation": np.eye(3),
                "half_size": np.array([0.06, 0.06, 0.07]),
                "parent": "basket_1",
                "joints": [],
            }
        },
        "joints": {},
        "robot": {
            "eef_position": np.array([-0.15, 0.0, 0.25]),
            "eef_rotation": top_down(np.pi / 2),
            "eef_velocity": np.zeros(6),
            "joint_positions": np.zeros(7),
            "gripper_qpos": np.array([0.04, -0.04]),
            "base_position": np.array([-0.6, 0.0, 0.0]),
            "finger_contacts": {"left": [], "right": []},
        },
    }


def _body(kind: str, position: tuple[float, float, float], rotation: np.ndarray[Any, Any]) -> Scene:
    return {"kind": kind, "category": "", "position": np.array(position), "rotation": rotation}


def query(scene: Scene | None, init_state: int = 0, index: int = 0) -> Query:
    observation = Observation(images={}, state={}, instruction="", privileged=scene)
    return Query(observation, Episode("libero-object", "task", init_state, 0), index)


def test_starts_by_moving_above_the_object_with_open_fingers() -> None:
    policy = make_policy()
    (output,) = policy.act([query(make_scene())])
    actions = output.actions
    assert actions.dtype == np.float32
    assert actions.shape == (policy.spec.chunk, policy.spec.action.dim)
    assert np.abs(actions).max() <= 1.0
    assert (actions[:, 6] == OPEN).all()
    assert actions[0, 1] < -0.5  # the object is at negative y
    assert output.text == "move above the cream cheese"


def test_goes_on_with_what_is_in_the_hand_at_the_beginning() -> None:
    scene = make_scene()
    robot = scene["robot"]
    robot["eef_position"], robot["gripper_qpos"] = np.array([-0.12, -0.2, 0.02]), np.array([0.02, -0.02])
    robot["finger_contacts"] = {"left": ["cream_cheese_1"], "right": ["cream_cheese_1"]}
    (output,) = make_policy().act([query(scene)])
    assert (output.actions[:, 6] == CLOSE).all()
    assert output.text == "lift the cream cheese"


def test_answers_do_not_depend_on_the_batch() -> None:
    first, second = query(make_scene(), 0), query(make_scene(yaw=1.5), 1)
    together = make_policy().act([first, second])
    alone = [make_policy().act([one])[0] for one in (first, second)]
    for a, b in zip(together, alone, strict=True):
        assert np.array_equal(a.actions, b.actions)
        assert a.text == b.text
    assert not np.array_equal(together[0].actions, together[1].actions)


def test_a_retried_episode_starts_afresh() -> None:
    policy = make_policy()
    scene = make_scene()
    before = policy.act([query(scene)])[0].actions
    moved = make_scene()
    moved["time"], moved["robot"]["eef_position"] = 1.5, np.array([-0.12, -0.2, 0.1])
    policy.act([query(moved, index=1)])
    policy.reset([query(scene).episode])
    assert np.array_equal(policy.act([query(scene)])[0].actions, before)


def test_a_goal_without_a_skill_is_refused_at_the_first_query() -> None:
    goal = [["in", "cream_cheese_1", "basket_1_contain_region"], ["fold", "towel_1"]]
    with pytest.raises(UsageError, match="no skill for 'fold' yet"):
        make_policy().act([query(make_scene(goal))])


@pytest.mark.parametrize("predicate", [["turnon", "basket_1"], ["close", "microwave_1"]])
def test_what_has_no_joint_cannot_be_opened_or_switched(predicate: list[str]) -> None:
    with pytest.raises(UsageError, match=f"no drawer, door or knob '{predicate[1]}'"):
        make_policy().act([query(make_scene([predicate]))])


def test_an_environment_without_ground_truth_is_refused() -> None:
    with pytest.raises(UsageError, match="ground truth"):
        make_policy().act([query(None)])


def test_an_object_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match="milk_1"):
        make_policy().act([query(make_scene([["in", "milk_1", "basket_1_contain_region"]]))])


def test_a_place_without_a_way_in_is_refused() -> None:
    scene = make_scene()
    boxes = scene["boxes"]
    for key, value in (("centers", [0.0, 0.25, 0.16]), ("half_sizes", [0.07, 0.07, 0.005]), ("rotations", np.eye(3))):
        boxes[key] = np.concatenate([boxes[key], [value]])
    boxes["owners"] = np.append(boxes["owners"], 2)
    with pytest.raises(UsageError, match="no way into 'basket_1_contain_region'"):
        make_policy().act([query(scene)])


def test_a_goal_that_holds_needs_no_motion() -> None:
    (output,) = make_policy().act([query(make_scene(holds=[True]))])
    assert np.allclose(output.actions[:, :6], 0.0, atol=1e-6)


def test_what_carries_is_placed_before_its_load() -> None:
    goal = (("on", "bowl_2", "bowl_1"), ("in", "bowl_1", "tray_1_contain_region"))
    assert in_order(goal, World(make_scene())) == [goal[1], goal[0]]


def test_what_was_filled_is_closed_last_and_what_is_in_the_way_first() -> None:
    goal = (
        ("close", "cabinet_1_top_region"),
        ("in", "bowl_1", "cabinet_1_top_region"),
        ("turnon", "stove_1"),
        ("close", "cabinet_1_bottom_region"),
    )
    assert in_order(goal, World(make_scene())) == [goal[3], goal[2], goal[1], goal[0]]


def make_drawer(openness: float) -> Scene:
    """The basket, lifted, as a drawer that slides out towards negative y, 16 cm at most."""
    scene = make_scene()
    scene["boxes"]["centers"][2:, 2] += 0.2
    scene["regions"]["basket_1_contain_region"]["position"][2] += 0.2
    scene["regions"]["basket_1_contain_region"]["joints"] = ["slide"]
    scene["boxes"]["link_names"], scene["boxes"]["links"] = ["room", "drawer"], np.array([0, 0, 1, 1, 1, 1, 1])
    scene["joints"]["slide"] = {
        "owner": "basket_1",
        "link": "drawer",
        "type": "slide",
        "range": np.array([-0.16, 0.01]),
        "position": -0.16 * openness,
        "anchor": np.zeros(3),
        "axis": np.array([0.0, 1.0, 0.0]),
    }
    return scene


def test_a_closed_drawer_is_opened_before_it_is_filled() -> None:
    goal = ("in", "cream_cheese_1", "basket_1_contain_region")
    assert prerequisite(goal, World(make_drawer(0.0))) == ("open", "basket_1_contain_region")
    assert prerequisite(goal, World(make_drawer(0.95))) is None
    (output,) = make_policy().act([query(make_drawer(0.0))])
    assert output.text == "reach for the basket contain"


@pytest.mark.parametrize(("relation", "openness", "gripper"), [("open", 0.0, OPEN), ("close", 0.9, CLOSE)])
def test_a_drawer_is_pulled_with_open_fingers_and_pushed_with_closed_ones(
    relation: str, openness: float, gripper: float
) -> None:
    scene = make_drawer(openness)
    scene["goal"], scene["goal_holds"] = [[relation, "basket_1_contain_region"]], [False]
    (output,) = make_policy().act([query(scene)])
    assert (output.actions[:, 6] == gripper).all()


@pytest.mark.parametrize("args", [{"chnk": 5}, {"chunk": 0}, {"chunk": "five"}, {"chunk": True}, {"steady": "yes"}])
def test_wrong_arguments_are_refused(args: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"chunk|steady"):
        make_policy(**args)


@settings(max_examples=25, deadline=None)
@given(st.floats(-np.pi, np.pi))
def test_flat_boxes_are_taken_low_and_across_their_narrow_side(yaw: float) -> None:
    best = plan_grasps(World(make_scene(yaw=yaw)), "cream_cheese_1")[0]
    assert abs(nearest_equivalent_yaw(best.yaw, yaw) - yaw) < 0.15
    assert np.linalg.norm(best.position[:2] - [-0.12, -0.2]) < 0.01
    assert 0.012 < best.position[2] < 0.02  # finger tips above the floor, pads on the box


@settings(max_examples=25, deadline=None)
@given(st.floats(-1.5, 1.5))
def test_steadily_a_rim_is_taken_at_one_place_however_the_hand_is_turned(turned: float) -> None:
    scene = make_scene()
    scene["robot"]["eef_rotation"] = top_down(np.pi / 2.0 + turned)
    usual = make_scene()
    usual["robot"]["eef_rotation"] = top_down(np.pi / 2.0)
    one, other = (plan_grasps(World(each, steady=True), "basket_1")[0] for each in (scene, usual))
    assert np.allclose(one.position, other.position)
    assert one.yaw == other.yaw
    assert one.position[0] < -0.05 or one.position[1] > 0.25 + 0.05  # a wall towards the robot, or to its left


def test_a_grasp_avoids_the_neighbour() -> None:
    scene = make_scene()
    boxes = scene["boxes"]
    for x in (-0.12 - 0.055, -0.12 + 0.055):  # walls where the fingers would go down
        for key, value in (("centers", [x, -0.2, 0.05]), ("half_sizes", [0.01, 0.015, 0.05]), ("rotations", np.eye(3))):
            boxes[key] = np.concatenate([boxes[key], [value]])
        boxes["owners"] = np.append(boxes["owners"], 2)
    for grasp in plan_grasps(World(scene), "cream_cheese_1"):
        assert abs(grasp.position[1] + 0.2) > 0.02


def test_the_basket_is_filled_from_above_its_rim() -> None:
    placement = plan_placement(("in", "cream_cheese_1", "basket_1_contain_region"), World(make_scene()))
    assert np.allclose(placement.spot, [0.0, 0.25])
    assert placement.bottom > 0.15


def _held(x: float) -> Scene:
    """The scene with the hand around the cream cheese, which is at `x` m."""
    scene = _moved(make_scene(yaw=0.0), x, -0.2)
    scene["robot"]["eef_position"] = np.array([x, -0.2, 0.014])
    scene["robot"]["eef_rotation"] = top_down(0.0)
    return scene


def test_what_lies_half_under_something_is_moved_aside_before_it_rises() -> None:
    world = World(_held(-0.12))
    assert not way_up(world, "cream_cheese_1", world.robot.rotation, 0.3).any()
    board = ((-0.12 + 0.035, -0.2 + 0.13, 0.13), (0.1, 0.11, 0.01))  # over 2 of the object's 8 centimetres
    world = World(_with_boxes(_held(-0.12), "basket_1", [board]))
    shift = way_up(world, "cream_cheese_1", world.robot.rotation, 0.3)
    assert shift[1] < -0.02
    assert np.linalg.norm(shift) < 0.12
    assert not way_up(world, "cream_cheese_1", world.robot.rotation, 0.05).any()  # it does not rise as far as that


def test_the_hand_comes_down_into_a_container_away_from_a_wall_above_it() -> None:
    predicate, region = ("in", "cream_cheese_1", "basket_1_contain_region"), "basket_1_contain_region"
    free, wall = World(_held(-0.12)), ((0.065, 0.25, 0.3), (0.02, 0.2, 0.3))
    walled = World(_with_boxes(_held(-0.12), "basket_1", [wall]))
    placement = plan_placement(predicate, free)
    spot, turn = roomy_spot(free, "cream_cheese_1", placement, free.regions[region], free.robot.rotation)
    assert np.allclose(spot, placement.spot)
    assert turn == 0.0
    spot, turn = roomy_spot(walled, "cream_cheese_1", placement, free.regions[region], free.robot.rotation)
    assert turn != 0.0 or spot[0] < placement.spot[0] - 0.02


positions = st.tuples(st.floats(-0.4, 0.2), st.floats(-0.3, 0.3), st.floats(0.05, 0.5))


@settings(max_examples=50, deadline=None)
@given(positions, st.floats(-np.pi / 2, np.pi / 2), st.floats(0.1, 1.0), st.integers(1, 20))
def test_chunks_stay_in_range_and_head_for_the_goal(
    goal: tuple[float, float, float], yaw: float, speed: float, length: int
) -> None:
    robot = World(make_scene()).robot
    command = Command(np.array(goal), top_down(yaw + np.pi / 2), OPEN, "", speed=speed)
    actions = plan_chunk(robot, command, length)
    assert actions.shape == (length, 7)
    assert np.abs(actions).max() <= 1.0
    assert np.linalg.norm(actions[:, :3], axis=1).max() <= speed + 1e-6
    assert float(actions[0, :3] @ (command.position - robot.position)) >= 0.0


@settings(deadline=None)
@given(st.floats(-3.1, 3.1))
def test_rotation_vector_measures_the_turn_between_grippers(angle: float) -> None:
    assert np.allclose(rotation_vector(top_down(angle) @ top_down(0.0).T), [0.0, 0.0, angle], atol=1e-5)


def _with_boxes(scene: Scene, owner: str, boxes: list[tuple[tuple[float, ...], tuple[float, ...]]]) -> Scene:
    """The scene with more boxes, centre and half sizes each, of an owner."""
    known = scene["boxes"]
    number = known["owner_names"].index(owner)
    for center, half in boxes:
        for key, value in (("centers", center), ("half_sizes", half), ("rotations", np.eye(3))):
            known[key] = np.concatenate([known[key], [value]])
        known["owners"] = np.append(known["owners"], number)
    return scene


def _moved(scene: Scene, x: float, y: float) -> Scene:
    """The scene with the cream cheese elsewhere."""
    scene["boxes"]["centers"][1] = scene["bodies"]["cream_cheese_1"]["position"] = np.array([x, y, 0.01])
    return scene


def test_the_hand_leans_outward_where_the_arm_is_stretched() -> None:
    near = plan_grasps(World(make_scene()), "cream_cheese_1")[0]
    far = plan_grasps(World(_moved(make_scene(), 0.22, 0.0)), "cream_cheese_1")[0]
    assert np.allclose(near.rotation[:, 2], [0.0, 0.0, -1.0])
    assert far.rotation[0, 2] > 0.1  # the fingers point away from the base, so that the wrist stays closer to it


def test_the_forearm_keeps_clear_of_what_hangs_beside_the_object() -> None:
    shelf = _with_boxes(make_scene(), "basket_1", [((-0.122, -0.048, 0.2), (0.02, 0.02, 0.02))])
    scene, free = World(shelf), World(make_scene())
    base, obstacle = scene.robot.base, scene.all_boxes.pick(np.arange(len(scene.all_boxes)) == 7).surface_points(0.01)
    upright = plan_grasps(free, "cream_cheese_1")[0]
    chosen = plan_grasps(scene, "cream_cheese_1")[0]
    assert in_arm(obstacle, upright.position, upright.rotation, base).any()
    assert not in_arm(obstacle, chosen.position, chosen.rotation, base).any()


def test_a_wall_beside_the_object_is_not_pinched_with_it() -> None:
    scene = _with_boxes(make_scene(), "basket_1", [((-0.12 + 0.026, -0.2, 0.02), (0.003, 0.04, 0.02))])
    for grasp in plan_grasps(World(scene), "cream_cheese_1"):
        across_the_wall = abs(grasp.rotation[0, 0]) > 0.95  # level, and straight from the object to the wall
        assert not across_the_wall or grasp.position[0] < -0.125


def test_a_released_grip_follows_the_finger_that_touches() -> None:
    policy, scene = make_policy(), make_scene()
    policy.act([query(scene)])
    (first,) = plan_grasps(World(scene), "cream_cheese_1", limit=1)
    for index in range(1, 30):  # the robot is where it wants to be, until it closes its fingers
        scene["time"] += 0.25
        scene["robot"]["eef_position"] = first.position if index > 1 else first.start
        scene["robot"]["eef_rotation"] = first.rotation
        (output,) = policy.act([query(scene, index=index)])
        if output.actions[0, 6] > 0:
            break
    scene["robot"]["finger_contacts"]["right"] = ["cream_cheese_1"]
    scene["time"] += 0.25
    (output,) = policy.act([query(scene, index=index + 1)])
    assert float(output.actions[0, :3] @ first.rotation[:, 0]) > 0.1


def test_objects_that_share_a_place_are_set_down_side_by_side() -> None:
    goal = [["on", "cream_cheese_1", "stove_region"], ["on", "basket_1", "stove_region"]]
    scene = make_scene(goal)
    scene["regions"]["stove_region"] = {
        "position": np.array([0.1, 0.0, 0.0]),
        "rotation": np.eye(3),
        "half_size": np.array([0.075, 0.075, 0.003]),
        "parent": "",
        "joints": [],
    }
    alone = plan_placement(("on", "cream_cheese_1", "stove_region"), World({**scene, "goal": goal[:1]}))
    shared = plan_placement(("on", "cream_cheese_1", "stove_region"), World(scene))
    assert np.allclose(alone.spot, [0.1, 0.0])
    assert 0.02 < np.linalg.norm(shared.spot - alone.spot) < 0.075


def test_what_cannot_be_held_is_drawn_over_the_table() -> None:
    scene = make_scene([["on", "cream_cheese_1", "zone"]])
    scene["boxes"]["half_sizes"][1] = (0.1, 0.1, 0.008)  # a tray, too wide for the hand
    scene["regions"]["zone"] = {
        "position": np.array([-0.12, 0.0, 0.0]),
        "rotation": np.eye(3),
        "half_size": np.array([0.04, 0.04, 0.003]),
        "parent": "",
        "joints": [],
    }
    world = World(scene)
    contact, _ = plan_contact(world, "cream_cheese_1", np.array([0.0, 0.2, 0.0]))
    assert contact[1] > -0.2 + 0.08  # at the edge ahead
    policy = make_policy()
    texts = []
    for index in range(40):
        texts.append(policy.act([query(scene, index=index)])[0].text)
        scene["time"] += 0.5
    assert "push the cream cheese" in texts
