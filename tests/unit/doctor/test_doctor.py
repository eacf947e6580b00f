"""`mmact-eval doctor` on machines that lack something."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from mmact_eval import registry
from mmact_eval.commands.checks.doctor import command
from mmact_eval.doctor import doctor
from mmact_eval.doctor.doctor import examine, healthy
from mmact_eval.errors import UsageError
from mmact_eval.machine import gl, host, user_folders
from mmact_eval.protocols import Check


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with mujoco, software rendering and no GPU, asked without starting a simulator."""
    present = importlib.util.find_spec
    answers = {"mujoco": object(), "cv2": None}
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: answers[name] if name in answers else present(name, *rest)
    )
    monkeypatch.setattr(gl, "choose_gl", lambda: {"gl": "osmesa", "device": "", "renderer": "software"})
    monkeypatch.setattr(gl, "probe_backends", lambda: [gl.BackendCheck("osmesa", True, "llvmpipe", 0.1)])
    monkeypatch.setattr(gl, "nvidia_gpus", list)
    monkeypatch.setattr(host, "gpus", list)
    plugin = registry.Listing("toy", "mmact_eval.envs.toy:plugin", "mmact-eval", "")
    monkeypatch.setattr(registry, "listing", lambda group: [plugin])
    monkeypatch.setattr(registry, "examinations", list)


def find(checks: list[Check], name: str) -> Check:
    return next(check for check in checks if check.name == name)


def test_a_machine_with_all_a_run_needs_exits_with_0() -> None:
    result = CliRunner().invoke(command)
    assert result.exit_code == 0, result.output
    assert "Ready to run" in result.output


def test_json_holds_every_check() -> None:
    answer = json.loads(CliRunner().invoke(command, ["--json"]).stdout)
    assert answer["ok"] is True
    assert {"group", "name", "status", "detail", "todo"} == set(answer["checks"][0])
    assert {"Python", "runs will use", "free disk", "can write"} <= {check["name"] for check in answer["checks"]}


def test_no_opengl_is_a_failure_with_the_command_that_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing() -> dict[str, str]:
        raise UsageError("No OpenGL library to render with")

    monkeypatch.setattr(gl, "choose_gl", nothing)
    result = CliRunner().invoke(command)
    assert result.exit_code == 1
    assert "apt-get install libosmesa6" in result.output


def test_only_the_backend_runs_would_use_has_to_work(monkeypatch: pytest.MonkeyPatch) -> None:
    backends = [gl.BackendCheck("egl", False, "no device", 0.1), gl.BackendCheck("osmesa", True, "llvmpipe", 0.1)]
    monkeypatch.setattr(gl, "probe_backends", lambda: backends)
    assert healthy(examine())
    backends[1] = gl.BackendCheck("osmesa", False, "crashed", 0.1)
    checks = examine()
    assert not healthy(checks)
    assert find(checks, "osmesa").todo


def test_a_gpu_that_cannot_render_is_pointed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "gpus", lambda: ["NVIDIA H100, 550.1"])
    checks = examine()
    assert healthy(checks), "software rendering still works"
    assert "NVIDIA_DRIVER_CAPABILITIES" in find(checks, "GPU rendering").todo


def test_a_plug_in_with_missing_packages_is_a_note_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    ready = registry.Listing("toy", "x:y", "mmact-eval", "")
    missing = registry.Listing("robotwin", "x:y", "mmact-eval", "missing sapien", "pip install 'mmact-eval[robotwin]'")
    monkeypatch.setattr(registry, "listing", lambda group: [ready, missing] if group == registry.ENVS else [])
    checks = examine()
    assert healthy(checks)
    check = find(checks, "environment robotwin")
    assert (check.status, check.detail) == ("note", "missing sapien")
    assert check.todo == "pip install 'mmact-eval[robotwin]'"


def test_without_any_environment_nothing_can_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "listing", lambda group: [])
    assert not healthy(examine())


def test_a_folder_that_cannot_be_written_to_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(**kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("mmact_eval.doctor.writing.tempfile.TemporaryDirectory", refuse)
    check = find(examine(tmp_path), "can write")
    assert check.status == "fail"
    assert "Permission denied" in check.detail


def test_a_current_folder_that_is_gone_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    check = find(examine(), "can write")
    assert (check.status, bool(check.todo)) == ("fail", True)


def test_a_cache_that_cannot_be_written_to_fails_and_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MMACT_EVAL_CACHE", str(tmp_path / "file"))
    check = find(examine(), "caches")
    assert check.status == "fail"
    assert "MMACT_EVAL_CACHE" in check.todo


def test_a_cache_in_the_temporary_folder_is_a_note(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MMACT_EVAL_CACHE", str(tmp_path))
    monkeypatch.setattr(user_folders, "is_temporary", lambda folder: folder == tmp_path)
    check = find(examine(), "caches")
    assert (check.status, "MMACT_EVAL_CACHE" in check.todo) == ("note", True)


def test_a_video_is_encoded_and_read_back_and_nothing_is_left(tmp_path: Path) -> None:
    assert find(examine(tmp_path), "videos").status == "ok"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("script", ["exit 1", "cat > /dev/null; exit 0", "kill -9 $$"])
def test_an_encoder_that_makes_no_video_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str) -> None:
    ffmpeg = tmp_path / "ffmpeg"
    ffmpeg.write_text(f"#!/bin/sh\n{script}\n")
    ffmpeg.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(ffmpeg))
    check = find(examine(tmp_path), "videos")
    assert (check.status, bool(check.detail), bool(check.todo)) == ("fail", True, True)


def test_what_a_plug_in_says_of_the_machine_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def look(deep: bool) -> list[Check]:
        return [Check("Mine", "a scene", "fail" if deep else "ok", "", "mend it")]

    monkeypatch.setattr(registry, "examinations", lambda: [("mine", look)])
    assert CliRunner().invoke(command).exit_code == 0
    assert CliRunner().invoke(command, ["--deep"]).exit_code == 1


def test_a_full_disk_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmact_eval.doctor.writing.shutil.disk_usage", lambda folder: SimpleNamespace(free=1000))
    assert find(examine(), "free disk").status == "fail"


def test_a_system_library_that_is_missing_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    done = SimpleNamespace(returncode=1, stderr="ImportError: libGL.so.1: cannot open shared object file\n")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: object())
    monkeypatch.setattr("mmact_eval.doctor.doctor.subprocess.run", lambda *args, **kwargs: done)
    assert find(examine(), "OpenCV").todo == "apt-get install libgl1"


def test_a_check_that_breaks_is_reported_and_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> int:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(doctor, "usable_cores", broken)
    checks = examine()
    assert not healthy(checks)
    assert any("ZeroDivisionError" in check.detail for check in checks)
    assert find(checks, "runs will use").status == "ok"


def test_the_environment_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    def chooses() -> dict[str, str]:
        os.environ["MUJOCO_GL"] = "osmesa"
        return {"gl": "osmesa", "device": "", "renderer": "software"}

    monkeypatch.setattr(gl, "choose_gl", chooses)
    before = dict(os.environ)
    examine()
    assert dict(os.environ) == before
