"""`check_env_plugin`: the toy keeps all promises, and each promise broken once is told by its name."""

from __future__ import annotations

import re

import broken_envs
import pytest

from mmact_eval.conformance import ConformanceError, check_env_plugin
from mmact_eval.envs.toy import ToyPlugin, plugin
from mmact_eval.envs.toy.env import ToyEnv
from mmact_eval.errors import UsageError
from mmact_eval.protocols import Needs, Task
from mmact_eval.suite import Protocol, Suite

SUITE = Suite(
    name="toy", env="toy", protocol=Protocol(max_steps=60, settle_steps=1, cameras=("top", "side"), resolution=32)
)


@pytest.mark.parametrize("task", ["easy", "hard"])
def test_the_toy_keeps_every_promise(task: str) -> None:
    report = check_env_plugin(plugin, SUITE, task=task)
    assert {finding.name for finding in report.findings if finding.status != "ok"} == {"prepare_run"}
    assert report.finding("prepare_run").happened == "it has none"


@pytest.mark.parametrize(
    ("broken", "name", "told"),
    [pytest.param(*case, id=f"{case[1]}-{i}") for i, case in enumerate(broken_envs.BROKEN)],
)
def test_a_broken_promise_is_told_by_name_with_what_happened_and_how_to_mend_it(
    broken: ToyPlugin, name: str, told: str
) -> None:
    with pytest.raises(ConformanceError) as caught:
        check_env_plugin(broken, SUITE)
    report = caught.value.report
    finding = report.finding(name)
    assert finding.status == "failed", [f for f in report.findings if f.status == "failed"]
    assert re.search(told, finding.happened), finding.happened
    for part in (name, finding.promised, finding.happened, finding.mend):
        assert part
        assert part in str(caught.value)


def test_every_promise_is_broken_once() -> None:
    tried = {finding.name for finding in check_env_plugin(plugin, SUITE).findings}
    assert tried - {name for _, name, _ in broken_envs.BROKEN} == {
        "init states differ",  # a note
        "members of the environment",
    }


def test_an_environment_that_pauses_and_says_so_keeps_its_promises() -> None:
    assert check_env_plugin(broken_envs.paused, SUITE, strict=False).broken == ()


def test_init_states_that_are_one_scene_are_noted() -> None:
    found = check_env_plugin(broken_envs.same_scenes, SUITE, strict=False).finding("init states differ")
    assert (found.status, found.happened) == ("note", "the first 2 init states are 1 scenes, by their hashes")


def test_an_environment_that_cannot_be_made_is_told_once() -> None:
    class Cannot(ToyPlugin):
        def make(self, suite: Suite, task: Task, needs: Needs) -> ToyEnv:
            raise RuntimeError("no GPU")

    report = check_env_plugin(Cannot(), SUITE, strict=False)
    assert [finding.name for finding in report.broken] == ["members of the environment"]
    assert report.finding("render").happened == "no environment could be made: RuntimeError: no GPU"


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(UsageError, match='Did you mean "easy"'):
        check_env_plugin(plugin, SUITE, task="eazy")


def test_figures_that_are_no_numbers_break_the_promise_of_a_step() -> None:
    found = check_env_plugin(broken_envs.word_for_a_figure, SUITE, strict=False).finding("step_chunk returns")
    assert found.happened == "info[\"figures\"] holds 'solved': 'two'; it must be text → a finite number"
