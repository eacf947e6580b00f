"""scripts/setup.sh on machines that lack something, with stand-ins for apt-get and sudo."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mmact_eval.machine import gl

ROOT = Path(__file__).parents[3]


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder that holds all programs there are: no Python, and an apt-get that brings it."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("dirname", "env", "ln"):
        (programs / name).symlink_to(str(shutil.which(name)))
    script(programs / "sudo", '[ "$1" = -n ] && exit 0; exec "$@"')
    script(
        programs / "apt-get",
        f'echo "$*" >> {tmp_path}/asked; [ "$1" = install ] && ln -s {sys.executable} {programs}/python3; exit 0',
    )
    return programs


def script(file: Path, text: str) -> None:
    file.write_text(f"#!{shutil.which('bash')}\n{text}\n")
    file.chmod(0o755)


def bash(text: str, path: str = os.environ["PATH"]) -> subprocess.CompletedProcess[str]:
    command = [str(shutil.which("bash")), "-c", f"source scripts/setup.sh; {text}"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env={"PATH": path})


def test_a_missing_python_is_installed(bare: Path, tmp_path: Path) -> None:
    done = bash("apt_install missing_python; command -v python3", str(bare))
    assert done.stdout.strip() == str(bare / "python3"), done.stderr
    assert (tmp_path / "asked").read_text().splitlines()[0] == "update -qq"
    assert (tmp_path / "asked").read_text().splitlines()[1].endswith("python3 python3-venv")


def test_where_nothing_is_missing_nothing_is_asked_for(bare: Path, tmp_path: Path) -> None:
    (bare / "python3").symlink_to(sys.executable)
    assert bash("apt_install missing_python", str(bare)).returncode == 0
    assert not (tmp_path / "asked").exists()


def test_without_apt_it_is_said_what_is_missing(bare: Path) -> None:
    (bare / "apt-get").unlink()
    done = bash("apt_install missing_python; echo went on", str(bare))
    assert (done.returncode, done.stdout) == (1, "")
    assert "python3 python3-venv" in done.stderr


def test_libraries_are_found_with_an_interpreter_that_has_imported_nothing_yet(tmp_path: Path) -> None:
    script(tmp_path / "python3", f'exec "{sys.executable}" -S "$@"')
    done = bash(f"base_python={tmp_path}/python3; can_render && echo yes || echo no")
    found = gl.libraries()
    usable = found.osmesa or any(device.works and device.kind != "other" for device in found.egl)
    assert done.stdout.strip() == ("yes" if usable else "no")
