"""`mmact_eval.evaluate` from Python, on the toy environment with real workers."""

from __future__ import annotations

import functools
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmact_eval
from mmact_eval import Episode, PolicyOutput, PolicySpec, Query
from mmact_eval.config.suite_file import load_suite
from mmact_eval.errors import RunFolderError, UsageError
from mmact_eval.policies.toy import make_policy
from mmact_eval.runs.reading import read_run
from mmact_eval.types import EpisodeResult

TOY = load_suite("toy")


class Learner:
    """The toy policy, as strong as its training has made it: weaker ones take smaller steps."""

    spec: PolicySpec = make_policy().spec

    def __init__(self, strength: float = 1.0) -> None:
        self._inner = make_policy()
        self.strength = strength
        self.closed = 0

    def reset(self, episodes: Sequence[Episode]) -> None:
        self._inner.reset(episodes)

    def act(self, queries: Sequence[Query]) -> Sequence[PolicyOutput]:
        answers = self._inner.act(queries)
        return [PolicyOutput(np.asarray(a.actions) * np.float32(self.strength)) for a in answers]

    def close(self) -> None:
        self.closed += 1


def reproducible(results: mmact_eval.Results) -> list[object]:
    return [result.reproducible() for result in results.episodes]


def test_a_policy_object_is_asked_where_it_is_and_stays_the_callers() -> None:
    policy = Learner(0.0)
    before = mmact_eval.evaluate(policy, suite="toy", episodes=10, progress=False)
    policy.strength = 1.0
    after = mmact_eval.evaluate(policy, suite="toy", episodes=10, workers=2, progress=False)
    assert (before.success_rate, after.success_rate) == (0.0, 1.0)
    assert policy.closed == 0
    assert after.compare(before).verdict.kind == "regression"
    assert before.compare(after).difference == 1.0
    assert repr(after).startswith("Results(toy, 20 of 20: 100.0 % (83.2–100.0 %); ")
    with pytest.raises(UsageError, match=r"0\.05 is 5 points"):
        before.compare(after, margin=5)


def test_one_allowed_field_may_be_a_text() -> None:
    whole = mmact_eval.evaluate("toy", "toy", episodes=2, progress=False)
    half = mmact_eval.evaluate("toy", "toy", episodes=2, progress=False, changes={"protocol.replan": 2})
    assert whole.compare(half).verdict.kind == "not comparable"
    assert whole.compare(half, allow="protocol.replan").verdict.kind != "not comparable"


def test_it_comes_to_what_the_command_line_comes_to(tmp_path: Path) -> None:
    typed = ["run", "--suite", "toy", "--policy", "toy", "--tasks", "hard", "--episodes", "3", "--init-states", "1-3"]
    subprocess.run([sys.executable, "-m", "mmact_eval", *typed, "--out", str(tmp_path / "typed")], check=True)
    called = mmact_eval.evaluate(
        "toy", "toy", tasks=["hard"], episodes=3, init_states=[1, 2, 3], out=tmp_path / "called", progress=False
    )
    there = read_run(tmp_path / "typed")
    assert reproducible(called) == [result.reproducible() for result in there.results]
    assert read_run(called.folder).fingerprint == there.fingerprint
    assert reproducible(mmact_eval.load_results(tmp_path / "typed")) == reproducible(called)


def test_tables_reports_and_words(tmp_path: Path) -> None:
    results = mmact_eval.evaluate("toy", "toy", episodes=2, progress=False)
    table = results.table()
    assert list(table["task"]) == ["easy", "hard", ""]
    assert list(table["successes"]) == [2, 2, 4]
    assert len(results.episodes_table()) == 4
    assert results.interval[0] == pytest.approx(table["rate_low"].iloc[-1])
    (page,) = results.report("html", out=tmp_path)
    assert page == tmp_path / "report.html"
    assert page.is_file()
    assert "total" in str(results)


def test_results_can_be_keys_and_are_equal_to_themselves_alone() -> None:
    first, second = (mmact_eval.evaluate("random", TOY, tasks=0, episodes=1, progress=False) for _ in range(2))
    assert {first: 1, second: 2}[first] == 1
    assert first == first
    assert first != second


def test_the_folder_of_nobody_goes_with_its_results() -> None:
    results = mmact_eval.evaluate("toy", "toy", tasks="easy", episodes=1, progress=False)
    folder = results.folder
    assert folder.is_dir()
    child = os.fork()
    if not child:
        del results
        os._exit(0)
    os.waitpid(child, 0)
    assert folder.is_dir()
    assert len(pickle.loads(pickle.dumps(results)).episodes) == 1
    del results
    assert not folder.exists()


def test_true_from_on_episode_ends_the_run_and_the_same_call_resumes_it(tmp_path: Path) -> None:
    heard: list[EpisodeResult] = []

    def stop_at_two(result: EpisodeResult) -> bool:
        heard.append(result)
        return len(heard) == 2

    first = mmact_eval.evaluate("toy", "toy", episodes=5, out=tmp_path / "run", on_episode=stop_at_two, progress=False)
    assert len(first.episodes) == 2
    resumed = mmact_eval.evaluate("toy", "toy", episodes=5, out=tmp_path / "run", progress=False)
    assert len(resumed.episodes) == 10
    assert reproducible(resumed) == reproducible(mmact_eval.evaluate("toy", "toy", episodes=5, progress=False))


def test_a_folder_is_resumed_for_an_object_of_the_same_identity_alone(tmp_path: Path) -> None:
    def run(strength: float, identity: str, episodes: int) -> mmact_eval.Results:
        return mmact_eval.evaluate(
            Learner(strength), "toy", episodes=episodes, out=tmp_path / "run", identity=identity, progress=False
        )

    run(1.0, "step 100", 1)
    assert len(run(1.0, "step 100", 2).episodes) == 4
    with pytest.raises(RunFolderError, match="step 100 → step 200"):
        run(0.5, "step 200", 3)
    with pytest.raises(RunFolderError, match="an object like no other"):
        run(0.5, "", 3)


def test_a_class_is_made_here_and_known_by_its_code(tmp_path: Path) -> None:
    results = mmact_eval.evaluate(
        Learner, "toy", tasks="easy", episodes=1, policy_args={"strength": 0.5}, out=tmp_path / "run", progress=False
    )
    policy = read_run(results.folder).fingerprint["policy"]
    assert policy["args"] == {"strength": 0.5}
    assert Path(__file__).name in policy["code"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"suite": "toyy"}, 'no suite "toyy"'),
        ({"policy": "toyy"}, '"toyy"'),
        ({"tasks": []}, "tasks is empty"),
        ({"tasks": ["soft"]}, 'no task is called "soft"'),
        ({"workers": 0}, "workers must be at least 1"),
        ({"policy": 3}, "int is no policy: it needs `spec`"),
        ({"identity": "mine"}, "identity is for a policy object"),
        ({"changes": {"protocol.max_step": 3}}, "max_step"),
        ({"episodes": 0}, "episodes"),
        ({"episodes": 2.5}, "episodes must be a whole number, not 2.5"),
        ({"seed": 1.5}, "seed must be a whole number"),
        ({"video": "some"}, "none, failures, all"),
        ({"tasks": [""]}, "tasks is empty"),
        ({"policy": None}, "NoneType is no policy"),
        ({"out": ""}, "out is empty"),
        (
            {"suite": TOY.model_copy(update={"protocol": TOY.protocol.model_copy(update={"max_steps": "7"})})},
            "protocol.max_steps",
        ),
        ({"changes": {"protocol..x": 3}}, "FIELD=VALUE"),
    ],
)
def test_bad_input_gets_one_clear_message(given: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        mmact_eval.evaluate(**{"policy": "toy", "suite": "toy", "progress": False, **given})  # type: ignore[arg-type]


def test_folders_are_found_again_from_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    made = mmact_eval.evaluate("toy", "toy", tasks=0, episodes=1, out="~/run", progress=False)
    loaded = mmact_eval.load_results("run")
    monkeypatch.chdir("/")
    assert made.folder == loaded.folder == tmp_path / "run"
    assert len(loaded.episodes) == 1


@pytest.mark.parametrize(("given", "says"), [({"margin": 5.0}, "0.05 is 5 points"), ({"alpha": 1.0}, "alpha")])
def test_a_comparison_refuses_levels_that_are_none(given: dict[str, float], says: str) -> None:
    results = mmact_eval.Results((Path("nowhere"),))
    with pytest.raises(UsageError, match=says):
        results.compare(results, **given)  # type: ignore[arg-type]


def test_init_states_are_taken_in_the_order_given() -> None:
    for given in ([5, 1, 5, 3], np.array([5, 1, 3]), "5,1,3"):
        results = mmact_eval.evaluate("toy", "toy", tasks=0, init_states=given, episodes=2, progress=False)
        assert [result.episode.init_state for result in results.episodes] == [1, 5]


def test_numbers_may_be_numpys() -> None:
    one: Any = np.int64(1)
    results = mmact_eval.evaluate("toy", "toy", tasks=one, init_states=one, seed=one, episodes=one, progress=False)
    assert [result.episode for result in results.episodes] == [Episode("toy", "hard", 1, 1)]


def test_changes_are_the_values_given_and_not_read_as_text() -> None:
    changes = {"title": "1e3", "description": "\U0001f600: yes # no", "protocol.max_steps": np.int64(7)}
    changes |= {"env_args": {"step_seconds": 1e-5}}
    results = mmact_eval.evaluate("toy", "toy", tasks=0, episodes=1, changes=changes, progress=False)
    made = mmact_eval.load_results(results.folder).as_report.runs[0].run.manifest.suite_asked()
    assert (made.title, made.description, made.protocol.max_steps) == ("1e3", "\U0001f600: yes # no", 7)
    assert made.env_args == {"step_seconds": 1e-5}


class Maker:
    def __call__(self, strength: float) -> Learner:
        return Learner(strength)


@pytest.mark.parametrize("maker", [functools.partial(Learner, 0.5), functools.partial(Maker(), 0.5)])
def test_whatever_can_be_called_makes_a_policy(maker: Callable[..., Learner]) -> None:
    results = mmact_eval.evaluate(maker, "toy", tasks="easy", episodes=1, progress=False)
    policy = read_run(results.folder).fingerprint["policy"]
    assert policy["target"].startswith(__name__)
    assert Path(__file__).name in policy["code"]


def test_it_works_beside_the_main_thread() -> None:
    found: list[mmact_eval.Results] = []
    thread = threading.Thread(
        target=lambda: found.append(mmact_eval.evaluate("toy", "toy", tasks="easy", episodes=2, progress=False))
    )
    thread.start()
    thread.join(120)
    assert found[0].success_rate == 1.0


def test_ctrl_c_returns_control_and_leaves_no_worker(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal, mmact_eval\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background\n"
        "def press(result):\n"
        "    if not pressed:\n"
        "        pressed.append(1); os.kill(os.getpid(), signal.SIGINT)\n"
        "pressed = []\n"
        "def run(**more):\n"
        "    return mmact_eval.evaluate('toy', 'toy', episodes=20, workers=2, out='run', progress=False, **more)\n"
        "try:\n"
        "    run(on_episode=press); print('not stopped')\n"
        "except KeyboardInterrupt:\n"
        "    print(len(mmact_eval.load_results('run').episodes) < 40)\n"
        "print(len(run().episodes))\n"
    )
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["True", "40"], done.stderr
    time.sleep(0.2)
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(tmp_path) not in listed


def test_the_names_are_there_without_loading_anything_heavy() -> None:
    code = "import mmact_eval, sys; print('evaluate' in mmact_eval.__all__, 'pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]
