"""The scripted expert on the move: past what hangs over an object, and beside the walls of what it is put into."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmact_eval.policies.expert.geometry import top_down
from mmact_eval.policies.expert.moving.placement import plan_placement
from mmact_eval.policies.expert.moving.release import roomy_spot
from mmact_eval.policies.expert.moving.transport import way_up
from mmact_eval.policies.expert.world import World

Part = tuple[tuple[float, float, float], tuple[float, float, float]]
CAN: Part = ((0.0, 0.0, 0.03), (0.02, 0.02, 0.03))
GOAL = ("in", "can_1", "box_1_contain_region")


HAND = (0.0, 0.0, 0.05)


def scene(around: list[Part]) -> World:
    """A can at the origin, held by the hand; a flat box with a region over it at (0, 0.25); and what is `around`."""
    table, case = ((0.0, 0.0, -0.05), (3.0, 3.0, 0.05)), ((0.0, 0.25, 0.005), (0.15, 0.15, 0.005))
    boxes = [CAN, case, table, *around]
    places = [("can_1", "object", (0.0, 0.0, 0.0)), ("box_1", "fixture", (0.0, 0.25, 0.0))]
    places += [("tower_1", "fixture", center) for center, _ in around]
    robot: dict[str, Any] = {
        "eef_position": np.array(HAND),
        "eef_rotation": top_down(0.0),
        "eef_velocity": np.zeros(6),
        "joint_positions": np.zeros(7),
        "gripper_qpos": np.array([0.02, -0.02]),
        "base_position": np.array([-0.5, 0.0, 0.0]),
        "finger_contacts": {"left": ["can_1"], "right": ["can_1"]},
    }
    return World(
        {
            "time": 0.0,
            "goal": [list(GOAL)],
            "goal_holds": [False],
            "bodies": {
                name: {"kind": kind, "category": "", "position": np.array(at), "rotation": np.eye(3)}
                for name, kind, at in places
            },
            "boxes": {
                "centers": np.array([center for center, _ in boxes]),
                "rotations": np.array([np.eye(3)] * len(boxes)),
                "half_sizes": np.array([half for _, half in boxes]),
                "owners": np.array([1, 2, 0] + [3] * len(around)),
                "owner_names": ["", "can_1", "box_1", "tower_1"],
                "links": np.array([1, 2, 0] + [3] * len(around)),
                "link_names": ["world", "can_1_main", "box_1_main", "tower_1_main"],
            },
            "regions": {
                GOAL[2]: {
                    "position": np.array([0.0, 0.25, 0.05]),
                    "rotation": np.eye(3),
                    "half_size": np.array([0.1, 0.1, 0.05]),
                    "parent": "box_1",
                    "joints": [],
                }
            },
            "joints": {},
            "robot": robot,
        }
    )


def test_an_object_under_nothing_rises_straight_up() -> None:
    assert np.allclose(way_up(scene([]), "can_1", top_down(0.0), 0.3), 0.0)


def test_an_object_under_a_ledge_is_moved_out_first() -> None:
    ledge: Part = ((0.03, 0.0, 0.2), (0.025, 0.2, 0.01))  # over one side of the can
    shift = way_up(scene([ledge]), "can_1", top_down(0.0), 0.3)
    assert shift[2] == 0.0
    left = ledge[0][0] - ledge[1][0]
    assert CAN[0][0] + CAN[1][0] + shift[0] <= left - 0.009


def test_an_object_is_let_go_of_where_the_hand_has_room() -> None:
    tower: Part = ((-0.12, 0.25, 0.2), (0.03, 0.1, 0.2))  # the hand, 21 cm wide, would run into it over the middle
    for around in ([], [tower]):
        world = scene(around)
        placement = plan_placement(GOAL, world)
        spot, turn = roomy_spot(world, "can_1", placement, world.regions[GOAL[2]], top_down(0.0))
        assert turn == 0.0
        assert spot[0] - 0.106 > -0.09 if around else np.allclose(spot, placement.spot)
