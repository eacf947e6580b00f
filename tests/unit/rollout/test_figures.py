"""Named numbers of an episode: who may say what, and that a wrong one is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from test_rollout import EPISODE, Interrupting, Planning, Watching

from mmact_eval.observers.artifacts import FolderArtifacts
from mmact_eval.observers.disturbances import DisturbanceRecorder
from mmact_eval.rollout import run_episode
from mmact_eval.suite import Disturbance, Protocol
from mmact_eval.transforms.disturbance import DisturbedEnv
from mmact_eval.types import EpisodeResult, Observation, PolicyOutput, Query


class Measuring(Interrupting):
    """Says how many steps were executed, and once something else."""

    said: Any = None

    def step_chunk(self, actions: NDArray[np.float32]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = super().step_chunk(actions)
        figures: dict[str, Any] = {"length": np.float32(len(self.executed))}
        if len(self.executed) <= 4:
            figures["env/first"] = 1
        return observation, reward, terminated, truncated, {**info, "figures": self.said or figures}


class Confident(Planning):
    """Says how sure it is at every second query."""

    said: Any = None

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        (output,) = super().act(queries)
        index = queries[0].index
        return [output if index % 2 else replace(output, extras={"figures": self.said or {"sure": float(index)}})]


class Counting(Watching):
    """Measures how many actions it saw."""

    def __init__(self, said: Any = None) -> None:
        super().__init__(1)
        self._said = said

    def figures(self, result: EpisodeResult) -> Mapping[str, float]:
        return self._said or {"watch/seen": len(self.seen)}


def roll(env: Any, policy: Any, *observers: Any) -> EpisodeResult:
    return run_episode(env, policy, EPISODE, Protocol(max_steps=20), observers)


def test_the_environments_last_word_the_policys_mean_and_what_observers_measure() -> None:
    result = roll(Measuring(), Confident(4), Counting())
    assert result.figures == {"env/length": 20.0, "env/first": 1.0, "policy/sure": 2.0, "watch/seen": 20.0}
    assert roll(Measuring(), Confident(4)).reproducible() == result.reproducible()
    assert EpisodeResult.from_json(result.to_json()).figures == result.figures
    assert roll(Interrupting(), Planning(4)).reproducible() != result.reproducible()
    assert roll(Interrupting(), Planning(4)).course() == result.course()


@pytest.mark.parametrize(
    ("said", "told"),
    [({"a": float("nan")}, "finite"), ({"a": 10**400}, "finite"), ({"a": 1e101}, "finite"), ({"a": 1j}, "finite"),
     ({"a": np.complex64(1)}, "finite"), ({"a": "3"}, "finite"), ({3: 1.0}, "name"), ([1.0], "mapping"),
     ({"policy/a": 1.0}, "somebody else"), ({"a b": 1.0}, "name")],
)  # fmt: skip
def test_what_is_no_figure_is_an_error_of_who_said_it(said: Any, told: str) -> None:
    env, policy = Measuring(), Confident(4)
    env.said = said
    result = roll(env, Planning(4))
    assert (result.outcome, result.error_kind) == ("error", "environment")
    assert told in result.error
    policy.said = {"env/a": 1.0} if "policy/a" in said else said
    result = roll(Interrupting(), policy)
    # A number out of range happens to who computes, and costs the episode; the rest is a misunderstanding.
    out_of_range = isinstance(said, dict) and isinstance(said.get("a"), int | float)
    assert (result.outcome, result.error_kind) == ("error", "policy" if out_of_range else "contract")
    assert told in result.error


@pytest.mark.parametrize("said", [{"seen": 1.0}, {"env/seen": 1.0}, {"watch/seen": None}])
def test_a_wrong_figure_of_an_observer_costs_that_and_no_result(said: Any) -> None:
    result = roll(Interrupting(), Planning(4), Counting(said))
    assert (result.outcome, result.figures) == ("failure", {})
    assert "the figure" in result.artifacts["Counting_figures_error"]


def test_a_disturbance_in_the_middle_of_a_chunk_loses_no_figure(tmp_path: Any) -> None:
    env = DisturbedEnv(Measuring(), Disturbance(metres=0.1, first_step=2, last_step=2))
    result = roll(env, Planning(8), DisturbanceRecorder(FolderArtifacts(tmp_path)))
    assert result.figures == {
        "env/length": 20.0, "env/first": 1.0, "disturbance/displaced": 1.0, "disturbance/metres": 0.1
    }  # fmt: skip
    late = DisturbedEnv(Measuring(), Disturbance(metres=0.1, first_step=50, last_step=50))
    result = roll(late, Planning(8), DisturbanceRecorder(FolderArtifacts(tmp_path)))
    assert result.figures["disturbance/displaced"] == 0.0
