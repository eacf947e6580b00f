"""What `check_env_plugin` says of environments with stages."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import broken_envs
import numpy as np
import pytest
from numpy.typing import NDArray

from mmact_eval.config.suite_file import load_suite
from mmact_eval.conformance import check_env_plugin
from mmact_eval.envs.toy import ToyPlugin, plugin
from mmact_eval.envs.toy.env import ToyEnv
from mmact_eval.specs import EnvSpec
from mmact_eval.suite import Suite
from mmact_eval.types import Observation

SUITE = load_suite("toy-stages", ["protocol.resolution=32"])
Five = tuple[Observation, float, bool, bool, dict[str, Any]]


@pytest.mark.parametrize("task", ["easy", "hard"])
def test_the_toy_keeps_every_promise(task: str) -> None:
    report = check_env_plugin(plugin, SUITE, task=task)
    assert {finding.name for finding in report.findings if finding.status != "ok"} == {"prepare_run"}
    assert {"EnvSpec.stages", "the end of a stage", "stages in pieces", "stage_steps"} < {
        f.name for f in report.findings
    }


class _Runs(ToyEnv):
    """Goes on in the chunk after a stage was solved."""

    def step_chunk(self, actions: NDArray[np.float32]) -> Five:
        result = super().step_chunk(actions)
        done = result[4]["steps"]
        if result[4].get("interrupted") and done < len(actions):
            more = super().step_chunk(actions[done:])
            return *more[:4], {**more[4], "steps": done + more[4]["steps"]}
        return result


class _Quiet(ToyEnv):
    """Does not say that it stopped."""

    def step_chunk(self, actions: NDArray[np.float32]) -> Five:
        *rest, info = super().step_chunk(actions)
        return *rest, {**info, "interrupted": False}  # type: ignore[return-value]


class _Mute(ToyEnv):
    """Says nothing of its stages."""

    def step_chunk(self, actions: NDArray[np.float32]) -> Five:
        *rest, info = super().step_chunk(actions)
        return *rest, {key: value for key, value in info.items() if key != "stages"}  # type: ignore[return-value]


class _Stubborn(ToyEnv):
    """Repeats the first instruction."""

    def _observe(self) -> Observation:
        return replace(super()._observe(), instruction="move the blue point to the red target")


class _Patient(ToyEnv):
    """Has no limit for a stage."""

    @property
    def _out_of_steps(self) -> bool:
        return self._steps >= self._protocol.max_steps


class _Modest(ToyPlugin):
    """Says that there are no stages."""

    def spec(self, suite: Suite) -> EnvSpec:
        return replace(super().spec(suite), stages=1)


def plugin_of(kind: type[ToyEnv]) -> ToyPlugin:
    made = broken_envs._Plugin()
    made.env = kind
    return made


@pytest.mark.parametrize(
    ("broken", "promise", "told"),
    [
        (plugin_of(_Runs), "the end of a stage", "the further stage has steps|went from|none of|and those of"),
        (plugin_of(_Quiet), "the end of a stage", "all actions were executed"),
        (plugin_of(_Mute), "the end of a stage", r'info\["stages"\] is missing'),
        (plugin_of(_Stubborn), "the end of a stage", "the instruction is still"),
        (plugin_of(_Patient), "stage_steps", "not truncated"),
        (_Modest(), "EnvSpec.stages", "gives one instruction an episode"),
    ],
)
def test_a_broken_promise_is_told(broken: ToyPlugin, promise: str, told: str) -> None:
    found = check_env_plugin(broken, SUITE, strict=False).finding(promise)
    assert found.status == "failed", found
    assert re.search(told, found.happened), found.happened
