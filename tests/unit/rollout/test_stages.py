"""Stages in the inner loop: whoever watches and however chunks are cut, they end where the scene says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mmact_eval.config.suite_file import load_suite
from mmact_eval.envs.toy import plugin
from mmact_eval.envs.toy.env import ToyEnv
from mmact_eval.errors import EnvironmentFailure
from mmact_eval.gym_env import GymEnv
from mmact_eval.policies.toy import ToyPolicy
from mmact_eval.protocols import Env, Needs, Policy
from mmact_eval.rollout import run_episode
from mmact_eval.rollout.stages import StageTally
from mmact_eval.suite import Disturbance
from mmact_eval.transforms import Transform, transformed
from mmact_eval.transforms.disturbance import DisturbedEnv
from mmact_eval.types import Episode, EpisodeResult, Observation, PolicyOutput, Query, Stage

SUITE = load_suite("toy-stages")


def toy(task: str = "easy") -> ToyEnv:
    (found,) = (one for one in plugin.tasks(SUITE) if one.name == task)
    return plugin.make(SUITE, found, Needs(privileged=True))


def episode(task: str = "easy", init_state: int = 0) -> Episode:
    return Episode(SUITE.name, task, init_state, 0)


class Diary(ToyPolicy):
    """Notes what it is told, in order."""

    def __init__(self, chunk: int, detour: bool = True) -> None:
        super().__init__(chunk, detour)
        self.notes: list[Any] = []

    def reset(self, episodes: Sequence[Episode]) -> None:
        self.notes.append("reset")

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        self.notes += [(query.index, query.new_stage, query.observation.instruction) for query in queries]
        return super().act(queries)


class Watcher:
    """Keeps each executed action with the instruction under which it was executed."""

    def __init__(self, stride: int | None) -> None:
        self.stride = stride
        self.steps: list[tuple[str, tuple[float, ...]]] = []

    def on_begin(self, episode: Episode, env: Env, observation: Observation) -> None: ...

    def on_query(self, query: Query, output: PolicyOutput) -> None:
        self._instruction = query.observation.instruction

    def on_steps(self, env: Env, actions: NDArray[np.float32], observation: Observation) -> None:
        self.steps += [(self._instruction, tuple(action.tolist())) for action in actions]

    def on_end(self, result: EpisodeResult) -> Mapping[str, str]:
        return {}


@given(
    task=st.sampled_from(["easy", "hard"]),
    init_state=st.integers(0, 19),
    chunk=st.integers(1, 12),
    replan=st.none() | st.integers(1, 12),
    stride=st.integers(1, 12),
    detour=st.booleans(),
    due=st.none() | st.integers(0, 40),
)
@settings(max_examples=60, deadline=None)
def test_a_rollout_is_the_same_whoever_watches_and_each_stage_begins_with_one_reset(
    task: str, init_state: int, chunk: int, replan: int | None, stride: int, detour: bool, due: int | None
) -> None:
    protocol = SUITE.protocol.model_copy(update={"replan": replan})
    where = episode(task, init_state)

    def env() -> Env:
        disturbance = Disturbance(metres=0.1, first_step=due or 0, last_step=due or 0)
        return toy(task) if due is None else DisturbedEnv(toy(task), disturbance)

    policy, watcher = Diary(chunk, detour), Watcher(stride)
    alone = run_episode(env(), policy, where, protocol)
    watched = run_episode(env(), Diary(chunk, detour), where, protocol, [watcher])
    assert watched.reproducible() == alone.reproducible()

    stages = alone.stages
    assert sum(stage.steps for stage in stages) == alone.steps == len(watcher.steps)
    assert all(stage.success for stage in stages[:-1])
    assert (alone.outcome == "success") == (alone.stages_solved == 4)
    under = [instruction for instruction, _ in watcher.steps]
    colours = [stage.task.partition("-")[2] for stage in stages for _ in range(stage.steps)]
    assert all(f"the {colour} target" in text for colour, text in zip(colours, under, strict=True))

    queries = [note for note in policy.notes if note != "reset"]
    assert [index for index, _, _ in queries] == list(range(alone.queries))
    for number, note in enumerate(policy.notes):
        begins = note != "reset" and (note[0] == 0 or note[1])
        if note != "reset":
            assert begins == (policy.notes[number - 1] == "reset")
    assert policy.notes.count("reset") == 1 + sum(new for _, new, _ in queries) == len(stages)


def solution(where: Episode) -> tuple[EpisodeResult, list[tuple[str, tuple[float, ...]]]]:
    watcher = Watcher(1)
    return run_episode(toy(where.task), ToyPolicy(), where, SUITE.protocol, [watcher]), watcher.steps


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_stage_ends_at_its_step_in_the_middle_and_at_the_end_of_a_chunk(size: int) -> None:
    result, steps = solution(episode())
    actions = np.array([action for _, action in steps], np.float32)
    env = toy()
    env.begin(episode())
    done, ends = 0, []
    while done < len(actions):
        _, reward, terminated, truncated, info = env.step_chunk(actions[done : done + size])
        done += info["steps"]
        if reward:
            ends.append(done)
            assert terminated == (len(ends) == 4)
            assert info["interrupted"] == (not terminated)
            assert not truncated
            assert info["stages"][-1].steps == (0 if not terminated else result.stages[-1].steps)
    assert ends == np.cumsum([stage.steps for stage in result.stages]).tolist()
    assert env.state_hash() == result.final_hash


@pytest.mark.parametrize("chunk", [1, 3, 8])
@pytest.mark.parametrize("late", [1, 2])
def test_late_actions_of_one_stage_are_not_executed_in_the_next(late: int, chunk: int) -> None:
    protocol, watcher = SUITE.protocol, Watcher(1)
    policy = transformed(ToyPolicy(chunk), [Transform.model_validate({"delay": {"steps": late}})], protocol)
    result = run_episode(toy(), policy, episode(), protocol, [watcher])
    assert result.outcome == "success"
    first = 0
    for stage in result.stages:
        own = [action for _, action in watcher.steps[first : first + stage.steps]]
        assert own[:late] == [(0.0, 0.0)] * min(late, len(own))
        first += stage.steps


@pytest.mark.parametrize("due", range(19))
def test_a_disturbance_comes_at_its_step_also_where_a_stage_ends(due: int) -> None:
    env = DisturbedEnv(toy(), Disturbance(metres=0.2, first_step=due, last_step=due))
    result = run_episode(env, ToyPolicy(8), episode(), SUITE.protocol)
    assert env.happened is not None
    assert env.happened["step"] == due
    assert result.outcome == "success"
    assert sum(stage.steps for stage in result.stages) == result.steps


def test_a_stage_that_ends_a_disturbed_chunks_first_part_is_told_without_the_word_interrupted() -> None:
    class Silent(ToyEnv):
        def step_chunk(self, actions: NDArray[np.float32]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
            *rest, info = super().step_chunk(actions)
            return *rest, {key: value for key, value in info.items() if key != "interrupted"}  # type: ignore[return-value]

    (task, _) = plugin.tasks(SUITE)
    result, steps = solution(episode())
    due = result.stages[0].steps
    inner = Silent(plugin.spec(SUITE), SUITE, task, Needs(privileged=True), toy()._args)
    env = DisturbedEnv(inner, Disturbance(metres=0.2, first_step=due, last_step=due))
    env.begin(episode())
    actions = np.array([action for _, action in steps], np.float32)
    *_, info = env.step_chunk(actions)
    assert info["steps"] == due
    assert env.happened is None


A, B, C = (Stage(name, 3, True) for name in "abc")
NEXT = Stage("next", 0, False)


@pytest.mark.parametrize(
    "told",
    [
        [(A, B, NEXT)],
        [(A, NEXT), (NEXT,)],
        [(replace(A, success=False), NEXT)],
        [(A, NEXT), (A, B, C, NEXT)],
        [("a",)],
    ],
)
def test_stages_that_do_not_follow_from_each_other_are_the_environments_error(told: Sequence[Any]) -> None:
    tally = StageTally()
    *fine, odd = told
    for stages in fine:
        tally.executed({"stages": stages})
    with pytest.raises(EnvironmentFailure, match=r'info\["stages"\]'):
        tally.executed({"stages": odd})


def test_gymnasiums_users_see_stages_and_the_text_space_holds_every_instruction() -> None:
    result, steps = solution(episode())
    env: GymEnv = toy()
    seen, _ = env.reset(seed=0)
    instructions, told = [seen["instruction"]], []
    for _, action in steps:
        seen, _, terminated, truncated, info = env.step(np.array(action, np.float32))
        told.append(info["stages"])
        instructions.append(seen["instruction"])
        assert seen["instruction"] in env.observation_space["instruction"]  # type: ignore[index]
    assert terminated
    assert not truncated
    assert len(set(instructions)) == 4
    assert told[-1] == result.stages


def test_fewer_stages_are_the_first_of_more_and_one_is_the_plain_toy() -> None:
    def stages(number: int) -> tuple[Stage, ...]:
        suite = load_suite("toy-stages", [f"protocol.stages={number}"])
        env = plugin.make(suite, plugin.tasks(suite)[0], Needs(privileged=True))
        policy: Policy = ToyPolicy()
        return run_episode(env, policy, episode(), suite.protocol).stages

    assert stages(2) == stages(4)[:2]
    assert stages(5)[:4] == stages(4)
    assert stages(1) == ()
