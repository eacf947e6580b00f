"""RoboTwin's embedded mode with its real simulator: few steps, one simulator process for most of it."""

from __future__ import annotations

import os
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from robotwin_ready import TASK, WORDS, suite_with_seeds, what_is_missing

from mmact_eval.config.suite_file import load_suite
from mmact_eval.envs.robotwin import plugin
from mmact_eval.envs.robotwin.client import SimulatorDied
from mmact_eval.envs.robotwin.seeds import manifest as seeds
from mmact_eval.errors import PolicyContractError, UsageError
from mmact_eval.protocols import Needs
from mmact_eval.suite import Suite
from mmact_eval.types import Episode, Observation

pytestmark = [pytest.mark.robotwin, pytest.mark.skipif(bool(what_is_missing()), reason=what_is_missing())]


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    return suite_with_seeds(tmp_path_factory.mktemp("seeds") / "seeds.json")


@pytest.fixture(scope="module")
def env(suite: Suite) -> Iterator[Any]:
    env = make(suite, "head_camera", "left_camera")
    yield env
    env.close()


def make(suite: Suite, *cameras: str) -> Any:
    return plugin.make(suite, plugin.tasks(suite)[0], Needs(cameras=cameras))


def episode(suite: Suite, init_state: int = 0) -> Episode:
    return Episode(suite.name, TASK, init_state, 0)


def wave(steps: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """(steps, 14) small motions of both arms with open grippers."""
    actions = np.zeros((steps, 14), np.float32)
    actions += 0.1 * np.sin(np.linspace(0.1, 1.0, steps, dtype=np.float32))[:, None]
    actions[:, [6, 13]] = 1.0
    return actions


def seen(observation: Observation) -> list[bytes]:
    return [image.tobytes() for image in observation.images.values()] + [
        v.tobytes() for v in observation.state.values()
    ]


def test_a_scene_depends_on_its_episode_alone_and_so_do_all_pixels(env: Any, suite: Suite) -> None:
    before = Path.cwd()
    looks, hashes = [], []
    for init_state in (0, 1, 0):
        first = seen(env.begin(episode(suite, init_state)))
        scene = env.scene_hash()
        last = seen(env.step_chunk(wave(4))[0])
        looks.append((first, last))
        hashes.append((scene, env.state_hash()))
    assert hashes[0] == hashes[2] != hashes[1]
    assert looks[0] == looks[2] != looks[1]
    assert Path.cwd() == before, "upstream's chdir stays in its process"


def test_the_picture_shows_the_scene(env: Any, suite: Suite) -> None:
    observation = env.begin(episode(suite))
    image = observation.images["head_camera"].astype(int)
    assert image.shape == (240, 320, 3)
    red, green = image[..., 0] - image[..., 1:].max(-1), image[..., 1] - image[..., [0, 2]].max(-1)
    assert (red > 80).sum() > 50, "the red block"
    assert (green > 80).sum() > 50, "the green block"
    assert observation.instruction == "stack them"


def test_a_chunk_in_pieces_ends_in_the_same_state(env: Any, suite: Suite) -> None:
    states = []
    for pieces in ([6], [1, 2, 3]):
        env.begin(episode(suite))
        for part in np.split(wave(6), np.cumsum(pieces)[:-1]):
            _, reward, terminated, truncated, info = env.step_chunk(part)
            assert (reward, terminated, truncated, info["steps"]) == (0.0, False, False, len(part))
        states.append(env.state_hash())
    assert states[0] == states[1]


def test_what_nobody_looks_at_is_not_drawn(env: Any, suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    ask = env._simulator.ask

    def noting(what: str, *args: Any, **arguments: Any) -> Any:
        asked.append(what)
        return ask(what, *args, **arguments)

    monkeypatch.setattr(env._simulator, "ask", noting)
    env.begin(episode(suite))
    observation = env.step_chunk(wave(2))[0]
    assert "image" not in asked
    first = observation.images["left_camera"]
    assert asked.count("image") == 1
    assert observation.images["left_camera"] is first
    env.step_chunk(wave(1))
    assert asked.count("image") == 2, "what somebody still holds is drawn before the scene changes"


def test_the_step_limit_truncates(suite: Suite) -> None:
    short = load_suite("robotwin-smoke", (f"env_args.seeds={suite.env_args['seeds']}", "protocol.max_steps=3"))
    env = make(short)
    try:
        env.begin(episode(short))
        *_, terminated, truncated, info = env.step_chunk(wave(5))
        assert (terminated, truncated, info["steps"]) == (False, True, 3)
    finally:
        env.close()


def test_hands_that_are_told_to_stay_do_not_break_upstream(suite: Suite) -> None:
    ee = load_suite("robotwin-smoke", (f"env_args.seeds={suite.env_args['seeds']}", "env_args.action=ee"))
    env = make(ee)
    try:
        observation = env.begin(episode(ee))
        pose = observation.state["endpose"].copy()
        higher = pose.copy()
        higher[[2, 10]] += 0.03
        env.step_chunk(pose[None].astype(np.float32))
        observation, *_ = env.step_chunk(np.stack([higher, higher]).astype(np.float32))
        np.testing.assert_allclose(observation.state["endpose"][[2, 10]], higher[[2, 10]], atol=0.01)
    finally:
        env.close()


def test_wrong_actions_and_episodes_are_refused(env: Any, suite: Suite) -> None:
    env.begin(episode(suite))
    for wrong in (np.zeros((0, 14)), np.zeros((2, 7)), np.full((1, 14), np.nan)):
        with pytest.raises(PolicyContractError):
            env.step_chunk(wrong)
    with pytest.raises(UsageError, match="2 accepted seeds"):
        env.begin(episode(suite, 2))


def test_a_dead_simulator_is_an_error_of_the_environment(suite: Suite) -> None:
    env = make(suite)
    env.begin(episode(suite))
    os.kill(env._simulator._process.pid, 9)
    with pytest.raises(SimulatorDied, match="SIGKILL"):
        env.step_chunk(wave(1))
    env.close()


def test_randomized_scenes_other_cameras_and_seen_instructions(env: Any, suite: Suite, tmp_path: Path) -> None:
    changes = ("env_args.config=demo_randomized", "env_args.camera=L515", "env_args.instructions=seen")
    other = suite_with_seeds(tmp_path / "seeds.json", *changes)
    env.begin(episode(suite))
    randomized = make(other, "head_camera")
    try:
        observation = randomized.begin(episode(other))
        assert observation.instruction == WORDS["seen"]
        image = observation.images["head_camera"]
        assert image.shape == (180, 320, 3)
        assert image.std() > 10, "a picture of something"
        assert randomized.scene_hash() != env.scene_hash()
    finally:
        randomized.close()


def test_another_interpreter_simulates_the_same(env: Any, suite: Suite, tmp_path: Path) -> None:
    """The one that the virtual environment was made with; it finds the simulator's packages by PYTHONPATH alone."""
    python = tmp_path / "python"
    packages, interpreter = sysconfig.get_path("purelib"), Path(sys.executable).resolve()
    python.write_text(f'#!/bin/sh\nexport PYTHONPATH={packages}\nexec {interpreter} "$@"\n')
    python.chmod(0o755)
    other = suite_with_seeds(tmp_path / "seeds.json", f"env_args.python={python}")
    env.begin(episode(suite))
    env.step_chunk(wave(2))
    apart = make(other)
    try:
        apart.begin(episode(other))
        apart.step_chunk(wave(2))
        assert apart.state_hash() == env.state_hash()
    finally:
        apart.close()


@pytest.mark.slow
def test_gymnasiums_checks_pass(suite: Suite) -> None:
    import gymnasium
    from gymnasium.utils.env_checker import check_env

    import mmact_eval.envs.robotwin.gym_ids  # noqa: F401

    env = gymnasium.make("mmact_eval/RoboTwin-StackBlocksTwo-v0", render_mode="rgb_array")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_env(env.unwrapped, skip_render_check=True)
    env.close()


def test_the_expert_is_told_by_its_seed(env: Any, suite: Suite) -> None:
    asked = {"name": TASK, "seed": 100_000, "random_seed": seeds.random_seed(TASK, 100_000)}
    first, second = (env._simulator.ask("check_seed", **asked) for _ in range(2))
    assert first == second
    assert first["success"]
    assert set(first["instructions"]) == {"seen", "unseen"}
