"""Upstream's own recordings, bit for bit: states, pictures, the oracle at every step, whole chains, initial scenes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import calvin_ready
import numpy as np
import pytest
from numpy.typing import NDArray

from mmact_eval.envs.calvin import plugin
from mmact_eval.envs.calvin.chains import ROBOT_OBS, chains, sentences
from mmact_eval.envs.calvin.world import World, solved
from mmact_eval.envs.calvin.world.scenes import SCENES
from mmact_eval.protocols import Needs
from mmact_eval.rollout import run_episode
from mmact_eval.types import Episode, EpisodeResult

_FOLDER = calvin_ready.golden()
_FILES = sorted(_FOLDER.glob("*.npz")) if _FOLDER else []
_CHAINS = [file for file in _FILES if file.name.startswith("chain")]
_MOTIONS = [file for file in _FILES if file.stem != "initial_states"]

pytestmark = [
    calvin_ready.needs_pybullet,
    pytest.mark.skipif(not _FILES, reason="needs upstream's recordings, which are not part of the repository"),
]

Recording = dict[str, NDArray[Any]]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    found = calvin_ready.assets()
    if found is None:
        pytest.skip("needs CALVIN's assets: `mmact-eval setup calvin`")
    world = World("D", found)
    yield world
    world.close()


def read(file: Path) -> Recording:
    with np.load(file) as arrays:
        return dict(arrays)


def test_all_thousand_chains_begin_in_upstreams_scenes() -> None:
    assert _FOLDER is not None
    recorded = read(_FOLDER / "initial_states.npz")
    np.testing.assert_array_equal(np.array(ROBOT_OBS), recorded["robot_obs"])
    np.testing.assert_array_equal([chain.condition.seed for chain in chains()], recorded["seeds"])
    np.testing.assert_array_equal([chain.condition.scene_obs() for chain in chains()], recorded["scene_obs"])


def test_blocks_are_loaded_where_upstream_draws_them() -> None:
    drawn = [[*position, yaw] for position, (_, _, yaw) in SCENES["D"].loading_poses()]
    assert drawn == [
        [-0.0014383915225033503, 0.052868146675533634, 0.46, 0.6700123395200417],
        [-0.20328055024256025, 0.0880537494025796, 0.46, 2.2456372993781644],
        [-0.20325512857120895, 0.06229589344217913, 0.46, -0.4857705158280976],
    ]


@pytest.mark.parametrize("file", _MOTIONS, ids=lambda file: file.stem)
def test_a_motion_is_upstreams_to_the_bit(file: Path, world: World) -> None:
    recorded = read(file)
    world.reset(recorded["init_robot_obs"], recorded["init_scene_obs"])
    robot, scene, start = [world.robot_obs()], [world.scene_obs()], world.facts()
    oracle = {}
    pictures: dict[int, dict[str, NDArray[np.uint8]]] = {}
    drawn = recorded["steps"].tolist() if "rgb_static" in recorded else []
    for step, action in enumerate(recorded["actions"], start=1):
        if step - 1 in drawn:
            pictures[step - 1] = {camera: world.picture(camera) for camera in ("static", "gripper")}
        world.step(action)
        robot.append(world.robot_obs())
        scene.append(world.scene_obs())
        oracle[step] = solved(start, world.facts())
    last = len(recorded["actions"])
    pictures[last] = {camera: world.picture(camera) for camera in ("static", "gripper")}
    np.testing.assert_array_equal(robot, recorded["robot_obs"])
    np.testing.assert_array_equal(scene, recorded["scene_obs"])
    for camera in ("static", "gripper"):
        if drawn:
            np.testing.assert_array_equal([pictures[step][camera] for step in drawn], recorded[f"rgb_{camera}"])
        else:
            np.testing.assert_array_equal(pictures[last][camera], recorded[f"rgb_{camera}_end"])
    if "task_info" in recorded:
        looked = [step for step in drawn if step] or sorted(oracle)
        told = [[name in oracle[step] for name in recorded["task_names"]] for step in looked]
        np.testing.assert_array_equal(told, recorded["task_info"])


@pytest.mark.parametrize("file", _CHAINS, ids=lambda file: file.stem)
def test_a_chain_goes_as_in_upstreams_evaluation(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calvin_ready.require_assets(monkeypatch)
    recorded = read(file)
    suite = calvin_ready.suite("calvin-abc-d")
    (task,) = plugin.tasks(suite)
    env = plugin.make(suite, task, Needs())
    policy = calvin_ready.Replaying(recorded["actions"], env.interface)
    try:
        result: EpisodeResult = run_episode(
            env, policy, Episode(suite.name, task.name, int(recorded["chain"]), 0), suite.protocol
        )
        np.testing.assert_array_equal(env.world.robot_obs(), recorded["robot_obs"][-1])
        np.testing.assert_array_equal(env.world.scene_obs(), recorded["scene_obs"][-1])
    finally:
        env.close()
    assert result.error == ""
    assert result.steps == int(recorded["steps"])
    assert sum(stage.success for stage in result.stages) == int(recorded["completed"])
    assert (result.outcome == "success") is (int(recorded["completed"]) == 5)
    attempted = recorded["tasks"][: len(result.stages)].tolist()
    assert [stage.task for stage in result.stages] == attempted
    assert [sentences()[task] for task in attempted] == recorded["instructions"].tolist() == policy.instructions
    starts = np.cumsum([0, *(stage.steps for stage in result.stages)])[:-1]
    np.testing.assert_array_equal(starts, recorded["subtask_starts"])
    assert policy.resets == starts.tolist()
