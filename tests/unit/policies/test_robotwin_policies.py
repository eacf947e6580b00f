"""The oracle, and the adapter for policies written for RoboTwin."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmact_eval import registry
from mmact_eval.config.suite_file import load_suite
from mmact_eval.envs.robotwin import plugin
from mmact_eval.errors import PolicyFailure, UsageError
from mmact_eval.policies.robotwin_oracle import make_policy as make_oracle
from mmact_eval.specs import EnvSpec
from mmact_eval.types import Episode, Observation, Query

EPISODE = Episode("robotwin-smoke", "stack_blocks_two", 0, 0)

LOOKS_AFTER_EACH = """
class Model:
    def __init__(self, step): self.step, self.seen, self.resets = step, [], 0

def get_model(usr_args):
    assert usr_args["left_arm_dim"] == 6
    return Model(usr_args["step"])

def reset_model(model):
    model.seen.clear()
    model.resets += 1

def eval(TASK_ENV, model, observation):
    model.words = TASK_ENV.get_instruction()
    model.seen.append(observation["joint_action"]["vector"][0])
    for i in range(3):
        TASK_ENV.take_action(observation["joint_action"]["vector"] + model.step * (i + 1), action_type="qpos")
        observation = TASK_ENV.get_obs()
        assert observation["observation"]["head_camera"]["rgb"].shape[-1] == 3
        model.seen.append(observation["joint_action"]["vector"][0])
"""
SELDOM_LOOKS = """
def get_model(usr_args): return None
def reset_model(model): pass
def eval(TASK_ENV, model, observation):
    for i in range(5): TASK_ENV.take_action([float(i)] * 14)
"""


def env_spec(*overrides: str) -> EnvSpec:
    return plugin.spec(load_suite("robotwin-smoke", overrides))


def query(index: int, value: float = 0.0, episode: Episode = EPISODE, **privileged: object) -> Query:
    images = {"head_camera": np.zeros((240, 320, 3), np.uint8)}
    state = {"joint_action": np.full(14, value), "endpose": np.zeros(16)}
    return Query(Observation(images, state, "stack them", privileged or None), episode, index)


def deployed(folder: Path, code: str, settings: str = "") -> str:
    (folder / "deploy_policy.py").write_text(code)
    (folder / "deploy_policy.yml").write_text(settings or "policy_name: null\n")
    return f"robotwin-deploy:{folder}"


def make(target: str, **args: object) -> Any:
    return registry.make_policy(target, args, env_spec()).policy


def test_the_oracle_replays_the_recording_in_chunks_and_then_holds() -> None:
    oracle = make_oracle(env_spec(), chunk=2)
    recording = {"actions": np.arange(3 * 14, dtype=float).reshape(3, 14)}
    oracle.reset([EPISODE])
    answers = [oracle.act([query(i, expert=recording)])[0].actions for i in range(4)]
    np.testing.assert_array_equal(np.concatenate(answers[:2]), recording["actions"].astype(np.float32))
    np.testing.assert_array_equal(answers[3], recording["actions"][-1:].astype(np.float32))
    oracle.reset([EPISODE])
    assert len(oracle.act([query(0, expert=recording)])[0].actions) == 2, "a retry begins anew"


def test_the_oracle_says_when_there_is_nothing_to_replay() -> None:
    with pytest.raises(PolicyFailure, match="recorded no actions"):
        make_oracle(env_spec()).act([query(0, expert={"actions": np.zeros((0, 0))})])
    with pytest.raises(UsageError, match="qpos"):
        make_oracle(env_spec("env_args.action=ee"))


def test_a_policy_that_looks_after_each_action_gets_what_it_looks_at(tmp_path: Path) -> None:
    policy = make(deployed(tmp_path, LOOKS_AFTER_EACH, "step: 0.5\n"), step=1.0)
    policy.reset([EPISODE])
    taken = [policy.act([query(i, float(i))])[0].actions for i in range(4)]
    assert [actions.shape for actions in taken] == [(1, 14)] * 4
    assert [float(actions[0, 0]) for actions in taken] == [1.0, 3.0, 5.0, 4.0], "overrides win; eval() begins again"
    assert policy._inner._model.words == "stack them"
    assert policy._inner._model.seen == [0.0, 1.0, 2.0, 3.0, 3.0]
    policy.reset([EPISODE])
    assert policy._inner._model.resets == 2
    policy.close()


def test_a_policy_that_seldom_looks_gives_whole_chunks(tmp_path: Path) -> None:
    policy = make(deployed(tmp_path, SELDOM_LOOKS))
    policy.reset([EPISODE])
    for index in range(2):
        (answer,) = policy.act([query(index)])
        assert answer.actions.shape == (5, 14)
    policy.close()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("TASK_ENV.take_action([0.0] * 14, 'ee')", "env_args.action=ee"),
        ("TASK_ENV.take_action([0.0] * 7)", "7 numbers"),
        ("pass", "took no action"),
        ("raise KeyError('camera')", "camera"),
        ("exit()", "SystemExit"),
    ],
)
def test_what_goes_wrong_in_eval_is_told(tmp_path: Path, code: str, words: str) -> None:
    head = SELDOM_LOOKS.rpartition("    for")[0]
    policy = make(deployed(tmp_path, f"{head}    {code}\n"))
    policy.reset([EPISODE])
    with pytest.raises(PolicyFailure, match=words):
        policy.act([query(0)])


def test_two_episodes_at_a_time_are_refused(tmp_path: Path) -> None:
    policy = make(deployed(tmp_path, SELDOM_LOOKS))
    other = replace(EPISODE, init_state=1)
    policy.reset([EPISODE])
    policy.reset([other])
    with pytest.raises(PolicyFailure, match="--workers 1"):
        policy.act([query(0)])
    policy.close()


def test_what_is_no_deployed_policy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no .*deploy_policy\.py"):
        make(f"robotwin-deploy:{tmp_path}")
    with pytest.raises(UsageError, match="eval, reset_model"):
        make(deployed(tmp_path, "def get_model(usr_args): pass\n"))


def test_editing_the_policy_makes_another_policy_of_it(tmp_path: Path) -> None:
    target = deployed(tmp_path, SELDOM_LOOKS)
    before = registry.make_policy(target, {}, env_spec()).code
    assert set(before) == {"deploy_policy.py", "deploy_policy.yml"}
    deployed(tmp_path, SELDOM_LOOKS + "\n# changed\n")
    assert registry.make_policy(target, {}, env_spec()).code["deploy_policy.py"] != before["deploy_policy.py"]
