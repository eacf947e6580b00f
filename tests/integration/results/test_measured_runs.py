"""Real runs of a world and a policy that measure something: their figures reach every report, whoever runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from browser import Browser, find_chromium

from mmact_eval.config.suite_file import load_suite
from mmact_eval.engine.options import EngineOptions
from mmact_eval.results.reporting import read_report, write_reports
from mmact_eval.runs.runner import RunOutcome, RunRequest, execute

_WORLD = """
import numpy as np
from mmact_eval.envs.toy import ToyPlugin
from mmact_eval.envs.toy.env import ToyEnv

class Smooth(ToyEnv):
    def begin(self, episode):
        self.jerk, self.last = 0.0, np.zeros(2)
        return super().begin(episode)

    def step_chunk(self, actions):
        observation, reward, terminated, truncated, info = super().step_chunk(actions)
        for action in actions[:info["steps"]]:
            self.jerk, self.last = self.jerk + float(np.abs(action - self.last).sum()), action
        smoothness = -self.jerk / max(1, self._steps)
        return observation, reward, terminated, truncated, {**info, "figures": {"smoothness": smoothness}}

class Plugin(ToyPlugin):
    def make(self, suite, task, needs):
        env = super().make(suite, task, needs)
        env.__class__ = Smooth
        return env

plugin = Plugin()
"""
_POLICY = """
import numpy as np
from mmact_eval import PolicyOutput, PolicySpec

def make(env_spec, shaky=False):
    class Walking:
        spec = PolicySpec("shaky" if shaky else "steady", env_spec.action, chunk=4, state=("position", "target"))
        def reset(self, episodes): ...
        def act(self, queries):
            return [self.answer(query) for query in queries]
        def answer(self, query):
            state = query.observation.state
            step = np.tile(np.clip((state["target"] - state["position"]) * 5, -1, 1), (4, 1))
            if shaky:
                step = step + query.rng().normal(0.0, 0.6, step.shape)
            figures = {"distance": np.linalg.norm(state["target"] - state["position"])}
            return PolicyOutput(step.astype(np.float32), extras={"figures": figures})
    return Walking()
"""
_SUITE = "name: smooth\nenv: smooth_world:plugin\nprotocol: {episodes: 6, max_steps: 40, resolution: 32}\n"


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {"smooth_world.py": _WORLD, "walking.py": _POLICY, "smooth.yaml": _SUITE}.items():
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def run(folder: Path, name: str, workers: int = 2, shaky: bool = False) -> RunOutcome:
    return execute(
        RunRequest(
            load_suite(str(folder / "smooth.yaml")), f"{folder / 'walking.py'}:make", out=folder / name,
            policy_args={"shaky": shaky}, options=EngineOptions(workers=workers),
        )
    )  # fmt: skip


def test_figures_do_not_depend_on_workers_and_are_in_every_report(tmp_path: Path) -> None:
    steady, alone = run(tmp_path, "steady"), run(tmp_path, "alone", workers=1)
    shaky = run(tmp_path, "shaky", shaky=True)
    assert sorted(r.reproducible() for r in steady.results) == sorted(r.reproducible() for r in alone.results)
    assert {name for result in steady.results for name in result.figures} == {"env/smoothness", "policy/distance"}

    report = read_report([steady.folder, shaky.folder])
    (suite,) = report.suites
    found = suite.pairings[0].measures["env/smoothness"]
    assert found.pairs == 12
    assert found.high < 0.0
    assert found.p_holm < 0.01
    files = write_reports(report, tmp_path / "report", ["csv", "eval_info", "html", "json", "latex", "markdown"])
    without = {file.name for file in files if "smoothness" not in file.read_text()}
    assert without == set()


@pytest.mark.skipif(find_chromium() is None, reason="no Chromium here (Debian: apt-get install chromium)")
def test_the_page_has_room_for_them(tmp_path: Path) -> None:
    folders = [run(tmp_path, name, shaky=name == "shaky").folder for name in ("steady", "shaky")]
    (page,) = write_reports(read_report(folders), tmp_path / "report", ["html"])
    program = find_chromium()
    assert program
    with Browser(program) as browser:
        browser.open(page)
        shown = browser.run("document.querySelector('.measures').innerText")
        assert "smoothness" in shown
        assert "sign-flip permutation" in shown
        browser.run("document.querySelector('.measures details').open = true")
        rows = browser.run("document.querySelectorAll('.measures details tbody tr').length")
        assert rows == 6  # two arms of two tasks and a total
        for scheme in ("light", "dark"):
            browser.prefer(scheme)
            ink, paper = json.loads(
                browser.run(
                    "JSON.stringify([getComputedStyle(document.querySelector('.measures td')).color, "
                    "getComputedStyle(document.documentElement).backgroundColor])"
                )
            )
            assert ink != paper
        for width in (360, 768, 1200):
            browser.resize(width, 800, mobile=width < 500)
            assert browser.run("document.documentElement.scrollWidth") <= width
        assert browser.problems == []
