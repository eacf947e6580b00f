"""An environment that gets ready for a run: the folder is locked before, and a refusal leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ENV = """
import json, subprocess, sys
from mmact_eval.envs.toy import ToyPlugin
from mmact_eval.errors import UsageError

SECOND = '''
import sys
from pathlib import Path
from mmact_eval.errors import RunFolderError
from mmact_eval.runs.folder import RunFolder
try:
    with RunFolder(Path(sys.argv[1])):
        print("free")
except RunFolderError as error:
    print(error)
'''

class Plugin(ToyPlugin):
    permissions = ("seen", "folder", "refuse")
    def _check(self, suite): ...
    def make(self, suite, task, needs):
        return ToyPlugin.make(self, suite.model_copy(update={"env_args": {}}), task, needs)
    def prepare_run(self, suite, episodes, workers, say):
        args = suite.env_args
        second = subprocess.run([sys.executable, "-c", SECOND, args["folder"]], capture_output=True, text=True)
        with open(args["seen"], "a") as stream:
            stream.write(json.dumps([second.stdout + second.stderr, [e.key for e in episodes]]) + "\\n")
        if args["refuse"] == "by accident":
            return {}["no such key"]
        if args["refuse"]:
            raise UsageError("no seeds for this")
        return {"prepared for": "all"}

plugin = Plugin()
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "world.py").write_text(ENV)
    return tmp_path


def run(place: Path, out: str, *, refuse: bool | str = False, **options: Any) -> subprocess.CompletedProcess[str]:
    env_args = {"seen": str(place / "seen.jsonl"), "folder": str(place / out), "refuse": refuse}
    protocol = {"episodes": 3, "max_steps": 20, "cameras": ["top"], "resolution": 32}
    suite = {"name": "mine", "env": "world:plugin", "env_args": env_args, "protocol": protocol}
    (place / "suite.yaml").write_text(json.dumps(suite))
    command = [sys.executable, "-m", "mmact_eval", "run", "--suite", "./suite.yaml", "--policy", "random"]
    command += ["--tasks", "easy", "--out", out]
    command += [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": "."})


def seen(place: Path) -> list[tuple[str, list[str]]]:
    """Of each preparation what a second run on the folder was told, and the episodes to get ready for."""
    return [tuple(json.loads(line)) for line in (place / "seen.jsonl").read_text().splitlines()]


def test_a_folder_is_locked_while_its_environment_prepares_for_the_episodes_that_are_left(place: Path) -> None:
    done = run(place, "r", limit=1)
    assert done.returncode in (0, 1), done.stderr
    done = run(place, "r")
    assert done.returncode == 0, done.stderr
    (first, asked_first), (again, asked_again) = seen(place)
    assert "is in use by process" in first
    assert "is in use by process" in again
    assert asked_first == ["mine/easy/init0/seed0"]
    assert asked_again == ["mine/easy/init1/seed0", "mine/easy/init2/seed0"]
    lines = (place / "r" / "episodes.jsonl").read_text().splitlines()
    assert len(lines) == 3


def test_a_refusal_leaves_no_folder_and_no_file(place: Path) -> None:
    before = {path.name for path in place.iterdir()}
    refused = run(place, "new/deep/r", refuse=True)
    assert (refused.returncode, "no seeds for this" in refused.stderr) == (2, True)
    assert {path.name for path in place.iterdir()} - before == {"seen.jsonl", "suite.yaml"}
    (place / "mine").mkdir()
    (place / "mine" / "notes.txt").write_text("mine")
    assert run(place, "mine", refuse=True).returncode == 2
    assert [path.name for path in (place / "mine").iterdir()] == ["notes.txt"]
    assert all("is in use by process" in told for told, _ in seen(place))


def test_a_refusal_leaves_a_run_as_it_is(place: Path) -> None:
    assert run(place, "r").returncode == 0
    before = {path.name: path.read_bytes() for path in (place / "r").iterdir() if path.is_file()}
    assert run(place, "r", refuse=True, episodes=5).returncode == 2
    after = {path.name: path.read_bytes() for path in (place / "r").iterdir() if path.is_file()}
    assert {**after, "run.lock": b""} == {**before, "run.lock": b""}
    assert run(place, "r", episodes=5).returncode == 0


def test_an_accident_in_a_preparation_is_told_in_a_sentence_and_leaves_nothing(place: Path) -> None:
    done = run(place, "new", refuse="by accident")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "Error: environment world:plugin: `prepare_run` raised KeyError: 'no such key'. Nothing has run."
    )
    assert not (place / "new").exists()
