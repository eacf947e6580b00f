"""docs/plugins.md: its code blocks, saved under the names that they begin with, work as the page says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "plugins.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return [text for found, text in BLOCK.findall(GUIDE.read_text(encoding="utf-8")) if found == language]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's files, after the page's commands."""
    path = tmp_path_factory.mktemp("plugins")
    for text in [*blocks("python"), *blocks("yaml")]:
        name = text.partition("\n")[0].removeprefix("# ")
        assert re.fullmatch(r"[\w-]+\.(py|yaml)", name), f"this block does not begin with a file's name: {text[:80]}"
        (path / name).write_text(text, encoding="utf-8")
    for command in "".join(blocks("console")).splitlines():
        done = call(path, *shlex.split(command)[1:])
        assert done.returncode == 0, done.stdout + done.stderr
    return path


def call(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "mmact_eval", *args], cwd=folder, capture_output=True, text=True)


def test_the_pages_tests_pass(folder: Path) -> None:
    files = sorted(path.name for path in folder.glob("test_*.py"))
    assert files == ["test_my_env.py", "test_my_policy.py", "test_my_report.py"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files],
        cwd=folder, capture_output=True, text=True, env={**os.environ, "PYTEST_ADDOPTS": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_the_pages_checks_pass(folder: Path) -> None:
    (commands,) = blocks("")
    for command in commands.splitlines():
        done = call(folder, *shlex.split(command)[1:])
        assert done.returncode == 0, done.stdout + done.stderr
        assert " 0 broken" in done.stdout


def test_the_pages_study_has_its_report(folder: Path) -> None:
    assert "What do long chunks cost?" in (folder / "runs/chunks/report.md").read_text(encoding="utf-8")
