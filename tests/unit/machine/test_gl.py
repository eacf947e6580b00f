"""The choice of the OpenGL backend, on machines described by hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mmact_eval.errors import UsageError
from mmact_eval.machine import gl
from mmact_eval.machine.gl import EglDevice, Libraries, choose_gl, nvidia_gpus, visible_gpus

VARIABLES = ("MUJOCO_GL", "PYOPENGL_PLATFORM", "MUJOCO_EGL_DEVICE_ID", "CUDA_VISIBLE_DEVICES", "MMACT_EVAL_GL_BEFORE")
SOFTWARE = EglDevice(index=2, kind="software")
GPUS = (EglDevice(0, "nvidia", "NVIDIA A", cuda=1), EglDevice(1, "nvidia", "NVIDIA B", cuda=0))


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        # Set first, so that what the code under test leaves behind is undone afterwards.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def machine(monkeypatch: pytest.MonkeyPatch, *egl: EglDevice, osmesa: bool = False) -> None:
    monkeypatch.setattr(gl, "libraries", lambda: Libraries(osmesa, egl))


def environment() -> dict[str, str]:
    return {name: os.environ[name] for name in VARIABLES[:4] if name in os.environ}


def test_workers_are_spread_over_the_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, *GPUS, SOFTWARE, osmesa=True)
    chosen = [choose_gl(worker) for worker in range(4)]
    assert [choice["renderer"] for choice in chosen] == ["NVIDIA A", "NVIDIA B", "NVIDIA A", "NVIDIA B"]
    assert chosen[3] == {"gl": "egl", "device": "1", "renderer": "NVIDIA B"}
    assert environment() == {"MUJOCO_GL": "egl", "PYOPENGL_PLATFORM": "egl", "MUJOCO_EGL_DEVICE_ID": "1"}


def test_cuda_visible_devices_is_translated_to_egl_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, *GPUS)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert {choose_gl(worker)["renderer"] for worker in range(3)} == {"NVIDIA A"}


def test_robosuite_finds_the_egl_device_in_cuda_visible_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, *GPUS)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    for worker in range(3):
        choice = choose_gl(worker)
        visible = os.environ["CUDA_VISIBLE_DEVICES"].split(",")
        assert choice["device"] in visible
        assert visible[0] == "1", "the devices CUDA sees keep their numbers"


@pytest.mark.parametrize("hidden", ["", "-1", "NoDevFiles"])
def test_hidden_gpus_are_not_used(monkeypatch: pytest.MonkeyPatch, hidden: str) -> None:
    machine(monkeypatch, *GPUS, osmesa=True)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert choose_gl() == {"gl": "osmesa", "device": "", "renderer": "software"}


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, [0, 1]),
        ("0", [1]),
        ("1,0", [0, 1]),
        ("0, 1", [1, 0]),
        ("0,7,1", [1]),
        ("MIG-1/2/3", [0, 1]),
    ],
)
def test_visible_gpus_follow_cudas_rules(visible: str | None, expected: list[int]) -> None:
    assert [device.index for device in visible_gpus(GPUS, visible)] == expected


def test_gpus_are_found_by_uuid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gl, "nvidia_gpus", lambda: [{"uuid": "GPU-aa11"}, {"uuid": "GPU-bb22"}])
    assert [device.index for device in visible_gpus(GPUS, "GPU-bb")] == [0]


def test_a_gpu_whose_driver_does_not_open_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, EglDevice(0, "nvidia", works=False), SOFTWARE, osmesa=True)
    assert choose_gl()["gl"] == "osmesa"


def test_egl_software_is_the_last_resort_and_gets_its_device_number(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, EglDevice(0, "other"), SOFTWARE)
    assert choose_gl(5) == {"gl": "egl", "device": "2", "renderer": "software"}


def test_without_any_library_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch)
    with pytest.raises(UsageError, match="apt-get install libosmesa6"):
        choose_gl()


def test_the_users_wish_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, *GPUS, SOFTWARE, osmesa=True)
    monkeypatch.setenv("MUJOCO_GL", "OSMesa")
    assert choose_gl()["gl"] == "osmesa"
    assert environment() == {"MUJOCO_GL": "osmesa", "PYOPENGL_PLATFORM": "osmesa"}


def test_a_window_that_nobody_looks_at_is_drawn_with_egl_and_recorded_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "glfw")
    machine(monkeypatch, *GPUS, SOFTWARE, osmesa=True)
    assert choose_gl() == {"gl": "egl", "device": "0", "renderer": "NVIDIA A"}
    assert environment()["MUJOCO_GL"] == "egl"
    machine(monkeypatch, osmesa=True)
    with pytest.raises(UsageError, match="MUJOCO_GL=glfw is set, but there is no library for egl"):
        choose_gl()


def test_the_users_device_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, *GPUS)
    monkeypatch.setenv("MUJOCO_EGL_DEVICE_ID", "1")
    assert [choose_gl(worker)["device"] for worker in range(2)] == ["1", "1"]


def test_a_child_process_chooses_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the parent chose is in the child's environment, but it is not the user's wish."""
    machine(monkeypatch, *GPUS)
    assert [choose_gl(worker)["device"] for worker in range(2)] == ["0", "1"]
    machine(monkeypatch, osmesa=True)
    assert choose_gl(0)["gl"] == "osmesa"
    assert environment() == {"MUJOCO_GL": "osmesa", "PYOPENGL_PLATFORM": "osmesa"}


@pytest.mark.parametrize(
    ("mujoco_gl", "platform", "message"),
    [("egl", "osmesa", "contradict"), ("disabled", "", "cannot render"), ("elg", "", "cannot render")],
)
def test_contradictions_are_refused(
    monkeypatch: pytest.MonkeyPatch, mujoco_gl: str, platform: str, message: str
) -> None:
    machine(monkeypatch, osmesa=True)
    monkeypatch.setenv("MUJOCO_GL", mujoco_gl)
    monkeypatch.setenv("PYOPENGL_PLATFORM", platform)
    with pytest.raises(UsageError, match=message):
        choose_gl()


def test_this_machine_is_looked_at_without_an_exception() -> None:
    found = gl.libraries()
    assert isinstance(found.osmesa, bool)
    assert [device.index for device in found.egl] == list(range(len(found.egl)))


def test_the_drivers_files_are_read(tmp_path: Path) -> None:
    for bus, name in (("0000:02:00.0", "B"), ("0000:01:00.0", "A")):
        (tmp_path / bus).mkdir()
        (tmp_path / bus / "information").write_text(f"Model: \t\t NVIDIA {name}\nGPU UUID: \t GPU-{name}\n")
    assert nvidia_gpus(tmp_path) == [
        {"name": "NVIDIA A", "uuid": "GPU-A"},
        {"name": "NVIDIA B", "uuid": "GPU-B"},
    ]
