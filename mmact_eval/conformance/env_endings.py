"""How an episode ends, what Gymnasium says, and closing: the last things that are tried of an environment."""

from __future__ import annotations

import sys
import warnings

import numpy as np

from mmact_eval import registry
from mmact_eval.conformance.env_under_test import Actions, EnvUnderTest
from mmact_eval.conformance.promise import Noted, Promise, Skipped, promise, require
from mmact_eval.optional import NamesReference
from mmact_eval.protocols import Policy
from mmact_eval.rollout import effective_replan, policy_calls
from mmact_eval.rollout.seen import seen_by
from mmact_eval.rollout.stages import StageTally
from mmact_eval.types import Query

_BEYOND = 3
"""Actions that are given beyond the one that solves the task."""


@promise(
    "stops at success",
    "a chunk stops at the action that solves the task",
    mend="check for success after every action, and return terminated = True at the first",
)
def _stops_at_success(test: EnvUnderTest) -> None:
    solution = solution_of(test)
    env, episode = test.env, test.episodes[0]
    env.begin(episode)
    terminated = False
    for number, action in enumerate(solution[:-1], 1):
        _, _, terminated, _, _ = env.step_chunk(action[None].copy())
        told = f"one by one, {number} actions solve it; in the policy's chunks {len(solution)} were executed"
        require(not terminated, told)
    beyond = np.concatenate([solution[-1:], np.tile(solution[-1], (_BEYOND, 1))])
    _, _, terminated, truncated, info = env.step_chunk(beyond)
    require(terminated and not truncated, f"terminated is {terminated}, truncated {truncated} at the success")
    require(
        info["steps"] == 1, f"it was solved by the first of {len(beyond)} actions, and {info['steps']} were executed"
    )


def solution_of(test: EnvUnderTest) -> Actions:
    """The (T, D) actions with which the plug-in's reference solves the first episode, the last of which does.

    Raises:
        Skipped: there is none, or it does not solve it.
    """
    if not isinstance(test.plugin, NamesReference):
        raise Skipped("the plug-in names no `reference`, a policy that solves its tasks")
    policy = registry.make_policy(test.plugin.reference, {}, test.spec).policy
    if policy.spec.privileged and not test.everything.privileged:
        raise Skipped(f"{policy.spec.name} needs ground truth, which is not looked at here")
    try:
        return _solution(test, policy)
    finally:
        registry.close_policy(policy)


def _solution(test: EnvUnderTest, policy: Policy) -> Actions:
    """The (T, D) actions with which a policy solves the first episode, the last of which does.

    Raises:
        Skipped: it does not solve it.
    """
    episode, limit = test.episodes[0], test.suite.protocol.max_steps
    policy_calls.reset(policy, [episode])
    observation = test.env.begin(episode)
    executed: list[Actions] = []
    terminated = truncated = new_stage = False
    queries, stages = 0, StageTally()
    while not (terminated or truncated) and len(executed) < limit:
        if new_stage:
            policy_calls.reset(policy, [episode])
        query = seen_by(policy.spec, Query(observation, episode, queries, new_stage))
        (answer,) = policy_calls.all_of(policy_calls.act(policy, [query]))
        queries += 1
        chunk = np.asarray(answer.actions, np.float32)[: effective_replan(test.suite.protocol, policy.spec)]
        chunk = chunk[: limit - len(executed)]
        observation, _, terminated, truncated, info = test.env.step_chunk(chunk.copy())
        new_stage = stages.executed(info)
        executed += list(chunk[: info["steps"]])
    if not terminated:
        raise Skipped(f"{policy.spec.name} does not solve {episode.key} in {len(executed)} steps")
    return np.array(executed, np.float32)


@promise(
    "gymnasium",
    "an environment that is a gymnasium.Env passes Gymnasium's own `check_env`",
    mend="see the message; `mmact_eval.gym_env.GymEnv` writes that half for you",
)
def _passes_gymnasiums_checker(test: EnvUnderTest) -> None:
    gymnasium = sys.modules.get("gymnasium")
    if gymnasium is None or not isinstance(test.env, gymnasium.Env):
        raise Skipped("it is none")
    from gymnasium.utils.env_checker import check_env

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        check_env(test.env, skip_render_check=True, skip_close_check=True)
    if told:
        raise Noted("; ".join(dict.fromkeys(str(warning.message).strip() for warning in told)))


@promise(
    "close",
    "an environment can be closed, and closing it again is harmless",
    mend="remember that it is closed",
)
def _closes_twice(test: EnvUnderTest) -> None:
    test.env.close()
    test.env.close()


PROMISES: tuple[Promise[EnvUnderTest], ...] = (
    _stops_at_success,
    _passes_gymnasiums_checker,
    _closes_twice,
)
