"""The toy environment: its contract with the engine and with Gymnasium, its scenes, its faults."""

from __future__ import annotations

import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mmact_eval.compat import mismatches
from mmact_eval.envs.toy import plugin, world
from mmact_eval.envs.toy.env import ToyEnv
from mmact_eval.errors import UsageError
from mmact_eval.policies import toy as toy_policy
from mmact_eval.protocols import Env, Needs
from mmact_eval.rollout import run_episode
from mmact_eval.suite import Protocol, Suite
from mmact_eval.types import Episode

GYM_ID = "mmact_eval.envs.toy.gym_ids:mmact_eval/Toy-v0"
PROTOCOL = Protocol(max_steps=60, settle_steps=2, cameras=("top", "side"), resolution=32)


def make_suite(env_args: dict[str, Any] | None = None, **protocol: Any) -> Suite:
    fields = {**PROTOCOL.model_dump(), **protocol}
    return Suite(name="toy", env="toy", protocol=Protocol(**fields), env_args=env_args or {})


def make_env(suite: Suite | None = None, task: str = "easy", needs: Needs | None = None) -> ToyEnv:
    suite = suite or make_suite()
    (chosen,) = [t for t in plugin.tasks(suite) if t.name == task]
    return plugin.make(suite, chosen, needs or Needs(cameras=suite.protocol.cameras))


def episode(task: str = "easy", init_state: int = 0, seed: int = 0) -> Episode:
    return Episode("toy", task, init_state, seed)


def right(steps: int) -> NDArray[np.float32]:
    return np.tile(np.array([1, 0], np.float32), (steps, 1))


def test_suite_file_describes_what_the_plugin_offers() -> None:
    from mmact_eval.config.suite_file import load_suite

    suite = load_suite("toy")
    assert [task.name for task in plugin.tasks(suite)] == ["easy", "hard"]
    assert plugin.spec(suite).cameras == {"top": (64, 64), "side": (64, 64)}
    assert suite.protocol.episodes <= plugin.tasks(suite)[0].init_states


@pytest.mark.parametrize("task", ["easy", "hard"])
def test_passes_gymnasiums_checker(task: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gym.make(GYM_ID, task=task, render_mode="rgb_array", disable_env_checker=True)
        check_env(env.unwrapped)
    assert isinstance(env.unwrapped, Env)


def test_gym_options_and_protocol_fields() -> None:
    env = gym.make(GYM_ID, task="hard", resolution=32, max_steps=3, cameras=("side",))
    observation, info = env.reset(seed=5, options={"init_state": 7})
    assert info["episode"] == "toy/hard/init7/seed5"
    assert {camera: image.shape for camera, image in observation["images"].items()} == {"side": (32, 32, 3)}
    assert [env.step(env.action_space.sample())[3] for _ in range(3)] == [False, False, True]
    with pytest.raises(UsageError, match=r"protocol.max_steps"):
        gym.make(GYM_ID, max_steps=0)


@pytest.mark.parametrize("task", ["easy", "hard"])
def test_scene_depends_on_the_episode_alone(task: str) -> None:
    used, fresh = make_env(task=task), make_env(task=task)
    used.begin(episode(task, 3))
    used.step_chunk(right(5))
    again, first = used.begin(episode(task, 4)), fresh.begin(episode(task, 4))
    assert used.scene_hash() == fresh.scene_hash()
    assert used.state_hash() == fresh.state_hash()
    np.testing.assert_array_equal(again.images["top"], first.images["top"])
    hashes = set()
    for init_state in range(20):
        for seed in (0, 1):
            fresh.begin(episode(task, init_state, seed))
            hashes.add(fresh.scene_hash())
    assert len(hashes) == 40


def test_only_what_is_needed_is_drawn_and_only_after_the_chunk() -> None:
    env = make_env(task="hard", needs=Needs(cameras=("side",)))
    observation = env.begin(episode("hard"))
    assert (set(observation.images), observation.privileged, env.renders) == ({"side"}, None, 1)
    env.step_chunk(right(10))
    env.render()
    assert env.renders == 2
    blind = make_env(needs=Needs(privileged=True))
    assert blind.begin(episode()).privileged == {"gap": None}
    assert blind.renders == 0


@pytest.mark.parametrize("pieces", [[8], [1] * 8, [3, 5]])
def test_chunks_are_steps(pieces: list[int]) -> None:
    env, actions = make_env(task="hard"), np.random.default_rng(0).uniform(-1, 1, (8, 2)).astype(np.float32)
    env.begin(episode("hard"))
    for action in actions:
        env.step(action)
    expected, picture = env.state_hash(), env.render()
    env.begin(episode("hard"))
    for part in np.split(actions, np.cumsum(pieces)[:-1]):
        observation, *_ = env.step_chunk(part)
    assert env.state_hash() == expected
    np.testing.assert_array_equal(observation.images["top"], picture)


def test_a_chunk_stops_at_success() -> None:
    env = make_env()
    observation = env.begin(episode())
    way = observation.state["target"] - observation.state["position"]
    actions = np.tile(way / np.abs(way).max(), (50, 1)).astype(np.float32)
    observation, reward, terminated, truncated, info = env.step_chunk(actions)
    assert (reward, terminated, truncated) == (1.0, True, False)
    assert 1 <= info["steps"] < 50
    assert np.linalg.norm(observation.state["target"] - observation.state["position"]) < world.TOLERANCE["easy"]


def test_render_is_upright_and_images_are_rotated() -> None:
    env = make_env(make_suite(rotation=180), task="hard")
    observation = env.begin(episode("hard"))
    np.testing.assert_array_equal(observation.images["top"], env.render()[::-1, ::-1])
    assert plugin.spec(make_suite(rotation=180)).image_convention == "rotated 180°"


def test_pictures_show_where_things_are() -> None:
    scene = replace(world.make_scene("hard", 0), start=np.array([-0.5, 0.5]), target=np.array([0.5, -0.5]))
    picture = world.draw(scene, scene.start, "top", 64).astype(int)
    blue, red = picture[..., 2] - picture[..., 0] > 100, picture[..., 0] - picture[..., 2] > 100
    assert blue[:32, :32].any()
    assert not blue[32:].any()
    assert red[32:, 32:].any()
    assert not red[:32].any()


@given(
    x=st.floats(-1, 1),
    y=st.floats(-1, 1),
    action=st.tuples(st.floats(-3, 3), st.floats(-3, 3)),
    seed=st.integers(0, 99),
)
def test_the_wall_is_crossed_only_in_the_gap(x: float, y: float, action: tuple[float, float], seed: int) -> None:
    scene, before = world.make_scene("hard", seed), np.array([x, y])
    after = world.move(scene, before, np.array(action))
    assert np.abs(after).max() <= 1.0
    assert np.abs(after - before).max() <= world.STEP_METRES * (1 + 1e-9)
    if (before[0] < 0) != (after[0] < 0):
        assert scene.gap is not None
        assert min(abs(before[1] - scene.gap), abs(after[1] - scene.gap)) <= world.GAP_HALF_WIDTH + world.STEP_METRES


@settings(deadline=None, max_examples=60)
@given(init_state=st.integers(0, 19), seed=st.integers(0, 2**31), chunk=st.integers(1, 20))
def test_scripted_policy_solves_every_scene(init_state: int, seed: int, chunk: int) -> None:
    for task in ("easy", "hard"):
        env = make_env(task=task, needs=Needs(privileged=True))
        policy = toy_policy.make_policy(env.interface, chunk=chunk)
        assert mismatches(env.interface, policy.spec) == []
        assert run_episode(env, policy, episode(task, init_state, seed), PROTOCOL).outcome == "success"


def test_straight_line_policy_fails_at_the_wall_sometimes() -> None:
    env = make_env(task="hard", needs=Needs())
    policy = toy_policy.make_policy(env.interface, detour=False)
    outcomes = [run_episode(env, policy, episode("hard", i), PROTOCOL).outcome for i in range(20)]
    assert set(outcomes) == {"success", "failure"}
    assert toy_policy.STEP_METRES == world.STEP_METRES


def test_raise_and_nan_strike_at_their_init_state_only() -> None:
    env = make_env(make_suite({"fault": "raise", "fault_init_state": 2}))
    env.begin(episode(init_state=1))
    env.step_chunk(right(1))
    env.begin(episode(init_state=2))
    with pytest.raises(RuntimeError, match="toy fault at init state 2"):
        env.step_chunk(right(1))
    env = make_env(make_suite({"fault": "nan_state"}))
    env.begin(episode())
    assert np.isnan(env.step_chunk(right(1))[0].state["position"]).all()


def test_fault_once_strikes_once(tmp_path: Path) -> None:
    marker = tmp_path / "struck"
    env = make_env(make_suite({"fault": "raise", "fault_once": str(marker)}))
    env.begin(episode())
    with pytest.raises(RuntimeError, match="toy fault"):
        env.step_chunk(right(1))
    assert marker.exists()
    env.begin(episode())
    assert env.step_chunk(right(2))[4]["steps"] == 2


@pytest.mark.parametrize("fault", ["crash", "hang"])
def test_crash_kills_the_process_and_hang_never_returns(fault: str) -> None:
    code = f"from mmact_eval.envs.toy.args import ToyArgs; print(1, flush=True); ToyArgs('{fault}').strike(0); print(2)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        if fault == "crash":
            assert process.wait(30) == -9
        else:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.5)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("env_args", "message"),
    [
        ({"falt": "raise"}, 'unknown "falt".*Did you mean "fault"'),
        ({"fault": "rase"}, 'one of raise, hang.*Did you mean "raise"'),
        ({"fault": 3}, "fault"),
        ({"fault_init_state": -1}, "integer ≥ 0"),
        ({"fault_init_state": True}, "integer ≥ 0"),
        ({"fault_once": 1}, "marker file"),
        ({"step_seconds": float("nan")}, "seconds ≥ 0"),
        ({"step_seconds": "1"}, "seconds ≥ 0"),
    ],
)
def test_wrong_env_args_are_refused_before_anything_runs(env_args: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plugin.tasks(make_suite(env_args))


def test_wrong_protocols_tasks_and_init_states_are_refused() -> None:
    with pytest.raises(UsageError, match=r'no camera "tpo".*Did you mean "top"'):
        plugin.spec(make_suite(cameras=("tpo",)))
    with pytest.raises(UsageError, match="seed_mode"):
        plugin.spec(make_suite(seed_mode="upstream"))
    with pytest.raises(UsageError, match=r'no task "heard".*Did you mean "hard"'):
        plugin.make(make_suite(), replace(plugin.tasks(make_suite())[0], name="heard"), Needs())
    with pytest.raises(UsageError, match="offers no camera side"):
        make_env(make_suite(cameras=("top",)), needs=Needs(cameras=("side",)))
    with pytest.raises(UsageError, match="init states 0 to 19"):
        make_env().begin(episode(init_state=20))


def test_listing_the_toy_does_not_import_gymnasium() -> None:
    code = "import sys, mmact_eval.envs.toy; print([m for m in ('gymnasium', 'scipy', 'pandas') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
