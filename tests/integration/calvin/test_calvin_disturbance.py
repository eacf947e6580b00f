"""A block is displaced in the middle of a chain: which, where to, and that it neither solves a task nor undoes one."""

from __future__ import annotations

from collections.abc import Iterator

import calvin_ready
import numpy as np
import pytest

from mmact_eval.envs.calvin import plugin
from mmact_eval.envs.calvin.chains import chains
from mmact_eval.envs.calvin.displacement import named_block
from mmact_eval.envs.calvin.env import CalvinEnv
from mmact_eval.protocols import Needs
from mmact_eval.types import Episode

pytestmark = calvin_ready.needs_pybullet

STILL = np.array([[0, 0, 0, 0, 0, 0, 1]] * 10, np.float32)
ON_THE_TABLE = [
    number
    for number, chain in enumerate(chains()[:40])
    if (color := named_block(chain.tasks[0])) and getattr(chain.condition, f"{color}_block") == "table"
]
"""Chains whose first task is about a block that stands on the table."""


@pytest.fixture
def env() -> Iterator[CalvinEnv]:
    suite = calvin_ready.suite()
    (task,) = plugin.tasks(suite)
    env = plugin.make(suite, task, Needs())
    yield env
    env.close()


def begin(env: CalvinEnv, number: int) -> None:
    env.begin(Episode("calvin-smoke", "chain", number, 0))


@pytest.mark.parametrize("number", ON_THE_TABLE[:6])
def test_the_block_of_the_task_is_moved_and_nothing_else(env: CalvinEnv, number: int) -> None:
    begin(env, number)
    color = named_block(chains()[number].tasks[0])
    before = env.world.facts().blocks
    words = env.disturb(np.random.default_rng(number), 0.05)
    after = env.world.facts().blocks
    assert words.startswith(f"{color} block moved by 0.05 m")
    for name in before:
        way = after[name].position - before[name].position
        assert np.linalg.norm(way) == pytest.approx(0.05 if name == color else 0.0, abs=1e-9)
        assert way[2] == pytest.approx(0.0, abs=1e-9)


def test_being_displaced_solves_nothing(env: CalvinEnv) -> None:
    moved = 0
    for number in ON_THE_TABLE:
        begin(env, number)
        if not env.disturb(np.random.default_rng(number), 0.12):  # which a push of 0.1 m would; some have no room
            continue
        moved += 1
        info = env.step_chunk(STILL)[4]
        assert info["steps"] == len(STILL)
        assert [stage.success for stage in info["stages"]] == [False]
    assert moved >= 5


def test_what_is_not_about_a_block_or_does_not_stand_free_is_left_alone(env: CalvinEnv) -> None:
    left = 0
    for number, chain in enumerate(chains()[:40]):
        if number in ON_THE_TABLE:
            continue
        begin(env, number)
        before = env.state_hash()
        assert env.disturb(np.random.default_rng(0), 0.05) == "", chain.tasks[0]
        assert env.state_hash() == before
        left += 1
    assert left > 20
