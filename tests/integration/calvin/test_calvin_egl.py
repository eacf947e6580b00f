"""CALVIN drawn with EGL: a function of the scene from the warm-up on, one simulation of a process at a time."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator

import calvin_ready
import numpy as np
import pytest

from mmact_eval.envs.calvin import plugin
from mmact_eval.envs.calvin.chains import ROBOT_OBS, chains
from mmact_eval.envs.calvin.stand_in import stand_in_assets
from mmact_eval.envs.calvin.world import World
from mmact_eval.errors import EnvironmentFailure, UsageError

pytestmark = calvin_ready.needs_pybullet

SCENES = (6, 21, 6, 29)

_ELSEWHERE = f"""
import json, hashlib
from mmact_eval.envs.calvin.chains import ROBOT_OBS, chains
from mmact_eval.envs.calvin.stand_in import stand_in_assets
from mmact_eval.envs.calvin.world import World
world, found = World("D", stand_in_assets(), "egl"), []
for chain in {SCENES[::-1]}:
    world.reset(ROBOT_OBS, chains()[chain].condition.scene_obs())
    found.append([hashlib.md5(world.picture(c).tobytes()).hexdigest() for c in ("gripper", "static")])
print("ANSWER", json.dumps(found))
"""


@pytest.fixture
def world() -> Iterator[World]:
    try:
        world = World("D", stand_in_assets(), "egl")
    except UsageError as error:
        pytest.skip(str(error))
    yield world
    world.close()


def drawn(world: World, chain: int) -> list[str]:
    """Hashes of the pictures of both cameras at the beginning of a chain."""
    world.reset(ROBOT_OBS, chains()[chain].condition.scene_obs())
    return [hashlib.md5(world.picture(camera).tobytes()).hexdigest() for camera in ("gripper", "static")]


def test_pictures_are_the_same_in_every_world_and_process(world: World) -> None:
    first = [drawn(world, chain) for chain in SCENES]
    assert first[0] == first[2]
    assert len({picture for pictures in first for picture in pictures}) == 6
    assert world.picture("static").tobytes() == world.picture("static").tobytes()
    world.close()
    again = World("D", stand_in_assets(), "egl")
    assert [drawn(again, chain) for chain in SCENES] == first
    again.close()
    done = subprocess.run([sys.executable, "-c", _ELSEWHERE], capture_output=True, text=True, check=True)
    (answer,) = [line for line in done.stdout.splitlines() if line.startswith("ANSWER")]
    assert json.loads(answer.removeprefix("ANSWER"))[::-1] == first


def test_a_run_is_bound_to_the_opengl_it_was_drawn_with(world: World) -> None:
    facts = plugin.prepare_run(calvin_ready.suite("calvin-smoke", "env_args.renderer=egl"), [], 1, print)
    assert len(facts["OpenGL"].split(", ")) >= 3
    assert "OpenGL" not in plugin.prepare_run(calvin_ready.suite(), [], 1, print)


def test_the_scene_is_the_one_that_tiny_renderer_draws(world: World) -> None:
    world.reset(ROBOT_OBS, chains()[6].condition.scene_obs())
    tiny = World("D", stand_in_assets())
    tiny.reset(ROBOT_OBS, chains()[6].condition.scene_obs())
    for camera in ("static", "gripper"):
        one, other = (each.picture(camera).astype(float) for each in (world, tiny))
        assert 0 < np.abs(one - other).mean() < 40
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.8
    assert world.state_hash() == tiny.state_hash()
    tiny.close()


def test_a_second_one_in_a_process_is_refused_until_the_first_is_gone(world: World) -> None:
    before = drawn(world, 6)
    with pytest.raises(EnvironmentFailure, match="close the other first"):
        World("D", stand_in_assets(), "egl")
    assert drawn(world, 6) == before
    world.close()
    other = World("D", stand_in_assets(), "egl")
    assert drawn(other, 6) == before
    del other  # which ends it
    World("D", stand_in_assets(), "egl").close()
