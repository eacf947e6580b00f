"""Real runs of a world whose episodes have stages: how many in a row reaches every report, whoever runs them."""

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
from dataclasses import replace
import numpy as np
from mmact_eval.envs.toy import ToyPlugin
from mmact_eval.envs.toy.env import ToyEnv
from mmact_eval.types import Stage

class Corners(ToyEnv):
    NAMES = ("reach_first", "reach_across", "reach_up")

    def begin(self, episode):
        self._corners = [Stage(self.NAMES[0], 0, False)]
        return super().begin(episode)

    def step_chunk(self, actions):
        done = ended = 0
        for action in actions:
            self._advance(action)
            self._steps, done = self._steps + 1, done + 1
            now = self._corners[-1]
            self._corners[-1] = now = Stage(now.task, now.steps + 1, self._success)
            if now.success or now.steps >= self._protocol.stage_steps:
                break
        whole = now.success and len(self._corners) == len(self.NAMES)
        truncated = not now.success and now.steps >= self._protocol.stage_steps
        if now.success and not whole:
            self._corners.append(Stage(self.NAMES[len(self._corners)], 0, False))
            self._scene = replace(self._scene, target=self._scene.target * (-1.0, 1.0)[:: (-1) ** len(self._corners)])
        info = {"steps": done, "success": whole, "stages": tuple(self._corners), "interrupted": done < len(actions)}
        return self._observe(), float(now.success), whole, truncated, info

class Plugin(ToyPlugin):
    def make(self, suite, task, needs):
        env = super().make(suite, task, needs)
        env.__class__ = Corners
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
                step = step + query.rng().normal(0.0, 2.0, step.shape)
            return PolicyOutput(step.astype(np.float32))
    return Walking()
"""
_SUITE = """\
name: corners
env: corners_world:plugin
tasks: [easy]
protocol: {episodes: 12, max_steps: 90, resolution: 32, stages: 3, stage_steps: 30}
"""


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {"corners_world.py": _WORLD, "walking.py": _POLICY, "corners.yaml": _SUITE}.items():
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def run(folder: Path, name: str, workers: int = 2, shaky: bool = False) -> RunOutcome:
    return execute(
        RunRequest(
            load_suite(str(folder / "corners.yaml")), f"{folder / 'walking.py'}:make", out=folder / name,
            policy_args={"shaky": shaky}, options=EngineOptions(workers=workers),
        )
    )  # fmt: skip


def test_lengths_do_not_depend_on_workers_and_are_in_every_report(tmp_path: Path) -> None:
    steady, shaky = run(tmp_path, "steady"), run(tmp_path, "shaky", shaky=True)
    alone = run(tmp_path, "alone", workers=1, shaky=True)
    assert sorted(r.reproducible() for r in shaky.results) == sorted(r.reproducible() for r in alone.results)
    assert {result.stages_solved for result in steady.results} == {3}
    assert len({result.stages_solved for result in shaky.results}) > 1

    report = read_report([shaky.folder, steady.folder])
    found = report.suites[0].pairings[0].measures["average_length"]
    assert found.pairs == 12
    assert found.low > 0.0
    summary = report.runs[0].summary
    assert [of.name for of in summary.sub_tasks] == ["reach_across", "reach_first", "reach_up"]
    assert summary.total.measures["3_in_a_row"].value == summary.total.rate
    files = write_reports(report, tmp_path / "report", ["csv", "eval_info", "html", "json", "latex", "markdown"])
    text = {file.name: file.read_text() for file in files}
    assert all("reach_across" in text[name] for name in ("stages.csv", "sub_tasks.csv", "report.md", "report.json"))
    assert all("3 in a row" in text[name] for name in ("report.md", "report.html"))
    said = "The average length differs significantly from that of"
    assert all("By whole chains: " in text[name] and said in text[name] for name in ("report.md", "report.html"))
    overall = json.loads(next(of for name, of in text.items() if name.startswith("eval_info-0")))["overall"]
    assert overall["avg_sum_reward"] == summary.total.measures["average_length"].value


@pytest.mark.skipif(find_chromium() is None, reason="no Chromium here (Debian: apt-get install chromium)")
def test_the_page_shows_bars_and_what_became_of_a_chain(tmp_path: Path) -> None:
    folders = [run(tmp_path, name, shaky=name == "shaky").folder for name in ("steady", "shaky")]
    (page,) = write_reports(read_report(folders), tmp_path / "report", ["html"])
    program = find_chromium()
    assert program
    with Browser(program) as browser:
        for scheme in ("light", "dark"):
            browser.prefer(scheme)
            browser.open(page)
            shown = browser.run("document.querySelector('.measures').innerText")
            assert "average length" in shown
            assert "exact sign-flip" in shown
            bars = browser.run("document.querySelectorAll('.measures .bar').length")
            assert bars == 2 * (3 + 3)  # 1 to 3 in a row and three sub-tasks, of two arms
            wide = browser.run("Math.max(...[...document.querySelectorAll('.measures .fill')].map(b => b.offsetWidth))")
            assert wide > 50
        browser.run("showEpisode(DATA[0], 0, 0)")
        dialog = browser.run("document.getElementById('episode').innerText")
        assert "1. reach first: solved after" in dialog
        browser.resize(400, 800)
        assert browser.run("document.documentElement.scrollWidth") <= 400
        assert browser.problems == []
