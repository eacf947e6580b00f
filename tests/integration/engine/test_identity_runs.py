"""Runs are bound to what their policy is made of, whatever it is called and wherever it goes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mmact_eval.runs.reading import read_episodes

POLICY = """
import json, os
import numpy as np
from mmact_eval import PolicyOutput, PolicySpec
HERE = os.path.dirname(os.path.abspath(__file__))
{head}

class Mine:
    def __init__(self, env_spec, **args):
        self.args = args
        self.spec = PolicySpec("mine", env_spec.action, chunk=8, state=("position",))
        {init}
    def reset(self, episodes): ...
    def act(self, queries):
        {act}
        return [PolicyOutput(np.full((8, 2), speed, np.float32)) for _ in queries]
"""


def write(file: Path, head: str = "", init: str = "pass", act: str = "speed = 0.5") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(POLICY.format(head=head, init=init, act=act))


def mmact_eval(cwd: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mmact_eval", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def run(cwd: Path, *arguments: object, episodes: int = 2) -> subprocess.CompletedProcess[str]:
    return mmact_eval(cwd, "run", "--suite", "toy", "--tasks", "easy", "--episodes", episodes, *arguments)


def hashes(folder: Path) -> list[str]:
    return [result.final_hash for result in read_episodes(folder)[0].values()]


READS = "speed = json.load(open(os.path.join(HERE, 'weights.json')))"


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"head": READS, "act": "speed = globals()['speed']"}, "policy.code.weights.json"),
        ({"init": f"{READS}; self.speed = speed", "act": "speed = self.speed"}, "policy.code.weights.json"),
        ({"act": READS}, "policy.code.weights.json"),
        ({"head": "from model import speed as found", "act": "speed = found"}, "policy.code.model.py"),
        ({"act": "from model import speed"}, "policy.code.model.py"),
    ],
    ids=["read at import", "read while made", "read late", "imported", "imported late"],
)
def test_policies_of_one_name_do_not_meet_in_one_folder(tmp_path: Path, parts: dict[str, str], says: str) -> None:
    for name, speed in (("a", 0.25), ("b", 0.75)):
        write(tmp_path / name / "policy.py", **parts)
        (tmp_path / name / "weights.json").write_text(str(speed))
        (tmp_path / name / "model.py").write_text(f"speed = {speed}\n")
    assert run(tmp_path, "--policy", "a/policy.py:Mine").returncode == 0
    other = run(tmp_path, "--policy", "b/policy.py:Mine")
    assert other.returncode == 2
    assert f"{says}: " in other.stderr
    assert "--out" in other.stderr
    assert other.stdout == ""
    (tmp_path / "a" / "notes.md").write_text("unrelated")
    (tmp_path / "a" / "other.py").write_text("unrelated = 1\n")
    assert run(tmp_path, "--policy", "a/policy.py:Mine", episodes=3).returncode == 0


@pytest.mark.parametrize("named", ["ck/last.json", "ck", "last"])
def test_weights_overwritten_under_their_name_are_other_weights(tmp_path: Path, named: str) -> None:
    finds = "f = args['checkpoint']; f = f if f.endswith('.json') else f + '/last.json'"
    write(tmp_path / "mine.py", init=f"{finds}; self.speed = json.load(open(f))", act="speed = self.speed")
    for folder, speed in (("ck", 0.25), ("newer", 0.75)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "last.json").write_text(str(speed))
    (tmp_path / "last").symlink_to("ck")
    asked = ("--policy", "mine.py:Mine", "--policy-args", f"checkpoint={named}", "--out", "r")
    assert run(tmp_path, *asked, "--limit", 1).returncode == 0
    (tmp_path / "last").unlink()
    (tmp_path / "last").symlink_to("newer")
    (tmp_path / "ck" / "last.json").write_text("0.75")
    other = run(tmp_path, *asked)
    assert other.returncode == 2
    assert "policy.paths.checkpoint: " in other.stderr
    assert len(hashes(tmp_path / "r")) == 1


def test_arms_of_a_study_come_to_what_they_come_to_alone(tmp_path: Path) -> None:
    for name, speed in (("a", 0.25), ("b", -0.75)):
        write(tmp_path / name / "policy.py", head="from model import speed as found", act="speed = found")
        (tmp_path / name / "model.py").write_text(f"speed = {speed}\n")
    (tmp_path / "study.yaml").write_text(
        "name: two\ntitle: two\nbase: {suite: toy, policy: 'a/policy.py:Mine', tasks: easy, episodes: 2}\n"
        "arms:\n  a: {}\n  b: {policy: 'b/policy.py:Mine'}\n"
    )
    for together in ("all", "same-policy"):
        done = mmact_eval(tmp_path, "ablate", "--study", "./study.yaml", "--out", together, "--together", together)
        assert done.returncode == 0, done.stderr
    for name in ("a", "b"):
        assert run(tmp_path, "--policy", f"{name}/policy.py:Mine", "--out", f"alone-{name}").returncode == 0
        alone = hashes(tmp_path / f"alone-{name}")
        assert hashes(tmp_path / "all" / name) == alone
        assert hashes(tmp_path / "same-policy" / name) == alone
    assert hashes(tmp_path / "alone-a") != hashes(tmp_path / "alone-b")
    assert run(tmp_path, "--policy", "b/policy.py:Mine", "--out", "all/b").returncode == 0  # it is the same policy


@pytest.mark.parametrize("when", ["head", "init", "act"])
def test_a_policy_that_changes_the_working_folder_changes_nothing_else(tmp_path: Path, when: str) -> None:
    moves = "os.chdir(HERE)"
    write(tmp_path / "repo" / "policy.py", **{when: f"{moves}; speed = 0.5" if when == "act" else moves})
    asked = ("--policy", "repo/policy.py:Mine", "--out", "results/first")
    done = run(tmp_path, *asked)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "results" / "first" / "report.csv").exists()
    assert not (tmp_path / "repo" / "results").exists()
    manifest = json.loads((tmp_path / "results" / "first" / "manifest.json").read_text())
    assert list(manifest["fingerprint"]["policy"]["code"]) == ["policy.py"]
    record = ["record", "--suite", "toy", "--tasks", "easy", "--episodes", 2, "--out", "demos", "--images", "png"]
    record += ["--policy", "toy", "--lead-in", "repo/policy.py:Mine", "--lead-in-steps", 8]
    recorded = mmact_eval(tmp_path, *record)
    assert recorded.returncode == 0, recorded.stderr
    assert (tmp_path / "demos" / "meta" / "info.json").exists()
    write(tmp_path / "repo" / "policy.py", act="speed = 0.75")
    assert "policy.code.policy.py: " in run(tmp_path, *asked, episodes=3).stderr
    other = mmact_eval(tmp_path, *record)
    assert "lead_in.files.policy.py: " in other.stderr


def test_what_a_policy_writes_does_not_keep_it_from_going_on(tmp_path: Path) -> None:
    logs = "os.makedirs(self.args['logs'], exist_ok=True); open(self.args['logs'] + '/log.txt', 'a').write('x')"
    keeps = "f = os.path.join(HERE, 'seen.json'); seen = json.load(open(f)) if os.path.exists(f) else 0"
    act = f"{logs}; json.dump(1, open(os.path.join(HERE, 'seen.json'), 'w')); speed = 0"
    write(tmp_path / "mine.py", init=keeps, act=act)
    asked = ("--policy", "mine.py:Mine", "--policy-args", "logs=logs", "--out", "r")
    for episodes in (1, 2, 3):
        done = run(tmp_path, *asked, episodes=episodes)
        assert done.returncode == 0, done.stderr
    assert len(hashes(tmp_path / "r")) == 3


def test_a_run_given_again_says_what_was_done_before_and_by_which_command(tmp_path: Path) -> None:
    asked = ("--policy", "random", "--out", "r")
    assert "done before" not in run(tmp_path, *asked).stderr
    again = run(tmp_path, *asked)
    assert "2 of 2 episodes were done before, by `" in again.stderr
    assert "--policy random --out r` (20" in again.stderr
    assert "2 of 3 episodes were done before, by `" in run(tmp_path, *asked, episodes=3).stderr
    assert "3 of 3 episodes were done before, by `" in (last := run(tmp_path, *asked, episodes=3)).stderr
    assert "the last of 2 starts" in last.stderr


ENV = """
import json
from helpers import SIZE
from mmact_eval.envs.toy import ToyPlugin
from mmact_eval.envs.toy.env import ToyArgs, ToyEnv

class Scaled(ToyEnv):
    def step_chunk(self, actions):
        return super().step_chunk(actions * SIZE * self._factor)

class Plugin(ToyPlugin):
    def _check(self, suite): ...
    def make(self, suite, task, needs):
        env = Scaled(self.spec(suite), suite, task, needs, ToyArgs())
        env._factor = json.load(open(suite.env_args["scene"]))
        return env

plugin = Plugin()
"""


def test_a_users_environment_is_its_code_and_the_files_that_the_suite_names(tmp_path: Path) -> None:
    suite = "{name: mine, title: t, env: 'world:plugin', env_args: {scene: scene.json}, protocol: {episodes: 4}}"
    suite = suite.replace("episodes: 4", "episodes: 4, max_steps: 20, cameras: [top], resolution: 32")
    texts = {"suite.yaml": suite, "world.py": ENV, "helpers.py": "SIZE = 1.0\n", "scene.json": "1.0"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)

    def again(episodes: int) -> subprocess.CompletedProcess[str]:
        of = ("--suite", "./suite.yaml", "--tasks", "easy", "--episodes", episodes)
        return mmact_eval(tmp_path, "run", *of, "--policy", "random", "--out", "r")

    assert (first := again(1)).returncode == 0, first.stderr
    for name, says in (
        ("world.py", "suite.code.world.py"),
        ("helpers.py", "suite.code.helpers.py"),
        ("scene.json", "suite.files.scene"),
    ):
        (tmp_path / name).write_text(f"{texts[name]} ")
        other = again(2)
        assert other.returncode == 2
        assert f"{says}: " in other.stderr
        (tmp_path / name).write_text(texts[name])
    assert again(2).returncode == 0
