"""Questions to a policy: made up from an environment's spec, or looked at in a real environment."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmact_eval import registry
from mmact_eval.conformance.env_under_test import EnvUnderTest, some_actions
from mmact_eval.optional import PreparesRun
from mmact_eval.protocols import Needs
from mmact_eval.specs import EnvSpec, PolicySpec
from mmact_eval.suite import Suite
from mmact_eval.types import Episode, Observation, Query

Questions = list[list[Query]]
"""For each episode its queries, in order."""

_INSTRUCTIONS = ("pick up the red cube", "put the bowl on the plate", "open the top drawer")


def made_up(spec: EnvSpec, episodes: int, queries: int) -> Questions:
    """Questions with images of noise and state vectors of small random numbers, the same at every call.

    Args:
        spec: of the environment.
        episodes, queries: how many episodes, and queries in each.
    """
    return [
        [Query(_made_up(spec, episode, index), episode, index) for index in range(queries)]
        for episode in (Episode(spec.name, "conformance", number, 0) for number in range(episodes))
    ]


def _made_up(spec: EnvSpec, episode: Episode, index: int) -> Observation:
    rng = np.random.default_rng(episode.derived_seed("conformance", index))
    return Observation(
        images={camera: rng.integers(0, 256, (*size, 3), np.uint8) for camera, size in spec.cameras.items()},
        state={key: rng.uniform(-1.0, 1.0, part.dim) for key, part in spec.state.items()},
        instruction=_INSTRUCTIONS[episode.init_state % len(_INSTRUCTIONS)],
    )


def looked_at(suite: Suite, episodes: Sequence[Episode], policy: PolicySpec, queries: int) -> Questions:
    """Questions from an environment of the suite, in which small random actions are executed between two looks.

    Args:
        suite: whose environment.
        episodes: of one task.
        policy: what is looked at.
        queries: per episode.
    """
    plugin = registry.env_plugin(suite.env)
    if isinstance(plugin, PreparesRun):
        plugin.prepare_run(suite, episodes, 1, lambda line: None)
    plugin.prepare_process(0, 1)
    (task,) = [task for task in plugin.tasks(suite) if task.name == episodes[0].task]
    env = plugin.make(suite, task, Needs(tuple(policy.cameras), policy.privileged))
    try:
        actions = some_actions(env.interface.action, policy.chunk)
        asked: Questions = []
        for episode in episodes:
            looks = [env.begin(episode).copied()]
            while len(looks) < queries:
                looks.append(env.step_chunk(actions.copy())[0].copied())
            asked.append([Query(look, episode, index) for index, look in enumerate(looks)])
        return asked
    finally:
        env.close()


def episodes_of(suite: Suite, task: str | None, count: int) -> list[Episode]:
    """The first episodes of a suite's task.

    Raises:
        UsageError: there is no such task, or the environment cannot be found.
    """
    return EnvUnderTest(registry.env_plugin(suite.env), suite, task, count, 1).episodes
