"""The scripted expert and narrow or covered places: which way in it finds, and how it holds the object there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mmact_eval.errors import UsageError
from mmact_eval.policies.expert.geometry import Boxes, top_down
from mmact_eval.policies.expert.grasping.clearance import distance
from mmact_eval.policies.expert.grasping.fit import openings, plan_fit
from mmact_eval.policies.expert.skills.insert import Insert
from mmact_eval.policies.expert.skills.put import Put, skill_for
from mmact_eval.policies.expert.world import World

Scene = dict[str, Any]
Part = tuple[tuple[float, float, float], tuple[float, float, float]]
BOOK: Part = ((0.0, -0.15, 0.065), (0.055, 0.014, 0.065))  # upright, its thin side along y
GOAL = ("in", "book_1", "case_1_contain_region")
SHELF: list[Part] = [  # open towards -y, between the boards at z = 0.09 and z = 0.24
    ((-0.16, 0.3, 0.12), (0.006, 0.09, 0.12)),
    ((0.16, 0.3, 0.12), (0.006, 0.09, 0.12)),
    ((0.0, 0.39, 0.12), (0.16, 0.002, 0.12)),
    ((0.0, 0.3, 0.09), (0.16, 0.09, 0.002)),
    ((0.0, 0.3, 0.24), (0.16, 0.09, 0.002)),
]
SLOT: list[Part] = [  # 6 cm wide along x, 13 cm long along y, open above
    ((-0.034, 0.25, 0.05), (0.004, 0.07, 0.05)),
    ((0.034, 0.25, 0.05), (0.004, 0.07, 0.05)),
    ((0.0, 0.181, 0.05), (0.03, 0.004, 0.05)),
    ((0.0, 0.319, 0.05), (0.03, 0.004, 0.05)),
]


def scene(walls: list[Part], middle: tuple[float, float, float], half: tuple[float, float, float]) -> Scene:
    """A book standing on the floor and a case made of `walls` with one region."""
    boxes = [((0.0, 0.0, -0.05), (3.0, 3.0, 0.05)), BOOK, *walls]
    bodies = {
        name: {"kind": kind, "category": "", "position": np.array(at), "rotation": np.eye(3)}
        for name, kind, at in (("book_1", "object", (*BOOK[0][:2], 0.0)), ("case_1", "fixture", (0.0, 0.3, 0.0)))
    }
    return {
        "time": 0.0,
        "goal": [list(GOAL)],
        "goal_holds": [False],
        "bodies": bodies,
        "boxes": {
            "centers": np.array([center for center, _ in boxes]),
            "rotations": np.array([np.eye(3)] * len(boxes)),
            "half_sizes": np.array([size for _, size in boxes]),
            "owners": np.array([0, 1] + [2] * len(walls)),
            "owner_names": ["", "book_1", "case_1"],
            "links": np.array([0, 1] + [2] * len(walls)),
            "link_names": ["world", "book_1_main", "case_1_main"],
        },
        "regions": {
            GOAL[2]: {
                "position": np.array(middle),
                "rotation": np.eye(3),
                "half_size": np.array(half),
                "parent": "case_1",
                "joints": [],
            }
        },
        "joints": {},
        "robot": {
            "eef_position": np.array([-0.15, 0.0, 0.3]),
            "eef_rotation": top_down(np.pi / 2),
            "eef_velocity": np.zeros(6),
            "joint_positions": np.zeros(7),
            "gripper_qpos": np.array([0.04, -0.04]),
            "base_position": np.array([-0.55, 0.0, 0.0]),
            "finger_contacts": {"left": [], "right": []},
        },
    }


def shelf() -> World:
    return World(scene(SHELF, (0.0, 0.3, 0.165), (0.14, 0.085, 0.065)))


def slot() -> World:
    return World(scene(SLOT, (0.0, 0.25, 0.045), (0.028, 0.06, 0.04)))


def test_distances_are_signed() -> None:
    boxes = Boxes(np.zeros((1, 3)), np.eye(3)[None], np.array([[0.1, 0.2, 0.3]]))
    assert distance(np.array([[0.12, 0.0, 0.0]]), boxes) == pytest.approx(0.02)
    assert distance(np.array([[0.09, 0.0, 0.0]]), boxes) == pytest.approx(-0.01)
    assert distance(np.array([[0.11, 0.21, 0.0]]), boxes) == pytest.approx(0.01 * np.sqrt(2.0))


def test_a_shelf_is_open_at_its_front_only() -> None:
    assert np.allclose(openings(shelf().regions[GOAL[2]], shelf()), [[0.0, 1.0, 0.0]])


def test_a_book_goes_into_a_shelf_from_the_front_with_a_tilted_hand() -> None:
    world = shelf()
    assert skill_for(GOAL, world) is Insert
    fit = plan_fit(GOAL, world)
    assert fit is not None
    assert np.allclose(fit.direction, [0.0, 1.0, 0.0])
    assert fit.rotation[1, 2] > 0.2  # the fingers point into the shelf
    region = world.regions[GOAL[2]]
    assert np.all(np.abs(fit.root - region.position) < region.half_size)


def test_a_book_is_turned_to_fit_into_a_slot() -> None:
    world = slot()
    assert skill_for(GOAL, world) is Insert
    fit = plan_fit(GOAL, world)
    assert fit is not None
    assert np.allclose(fit.direction, [0.0, 0.0, -1.0])
    assert abs(fit.rotation[0, 0]) > 0.99  # it is held by its thin sides, which now are those along x


def test_what_is_too_large_finds_no_way_in() -> None:
    narrow = [((x * 0.6, y, z), half) for (x, y, z), half in SLOT]
    assert plan_fit(GOAL, World(scene(narrow, (0.0, 0.25, 0.045), (0.012, 0.06, 0.04)))) is None


def test_a_place_closed_on_all_sides_is_refused() -> None:
    front: Part = ((0.0, 0.21, 0.12), (0.16, 0.002, 0.12))
    world = World(scene([*SHELF, front], (0.0, 0.3, 0.165), (0.14, 0.085, 0.065)))
    with pytest.raises(UsageError, match="closed on all sides"):
        Put.check(GOAL, world)


def mug(walls: list[Part], middle: tuple[float, float, float], half: tuple[float, float, float]) -> World:
    """A square mug of 8 by 8 by 9 cm in the book's place, its handle towards -y, away from the case."""
    parts: list[Part] = [((x, -0.15, 0.045), (0.004, 0.04, 0.045)) for x in (-0.036, 0.036)]
    parts += [((0.0, -0.15 + y, 0.045), (0.04, 0.004, 0.045)) for y in (-0.036, 0.036)]
    parts += [((0.0, -0.22, 0.055), (0.009, 0.004, 0.03)), ((0.0, -0.205, 0.06), (0.009, 0.016, 0.006))]
    data = scene(walls, middle, half)
    boxes = data["boxes"]
    kept = boxes["owners"] != 1
    for key, more in (("centers", [p[0] for p in parts]), ("half_sizes", [p[1] for p in parts])):
        boxes[key] = np.concatenate([boxes[key][kept], np.array(more)])
    boxes["rotations"] = np.array([np.eye(3)] * len(boxes["centers"]))
    boxes["owners"] = boxes["links"] = np.concatenate([boxes["owners"][kept], np.ones(len(parts), dtype=int)])
    return World(data)


def test_what_would_fall_over_when_let_go_of_aslant_is_held_by_its_handle() -> None:
    low_shelf = [*SHELF[:-1], ((0.0, 0.3, 0.225), (0.16, 0.09, 0.002))]  # the hand does not fit in above the mug
    world = mug(low_shelf, (0.0, 0.3, 0.155), (0.14, 0.12, 0.06))
    fit = plan_fit(GOAL, world)
    assert fit is not None
    assert fit.tipped < 0.1
    assert fit.grasp.position[1] < -0.19  # its handle
    assert fit.rotation[2, 2] < -0.9  # the hand still points down, outside
