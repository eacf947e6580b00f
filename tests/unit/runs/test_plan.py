"""What the user typed becomes the right episodes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmact_eval.errors import UsageError
from mmact_eval.protocols import Task
from mmact_eval.runs.episodes import plan_episodes, select_tasks, shuffled
from mmact_eval.suite import Protocol, Suite

TASKS = [Task(name, name, 5) for name in ("open_drawer", "pick_milk", "pick_soup", "push_plate")]


def suite(**protocol: object) -> Suite:
    return Suite(name="s", env="toy", protocol=Protocol(max_steps=10, **protocol))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (None, ["open_drawer", "pick_milk", "pick_soup", "push_plate"]),
        ("2", ["pick_soup"]),
        ("1-2", ["pick_milk", "pick_soup"]),
        ("3, 0", ["open_drawer", "push_plate"]),
        ("*milk*,pick_milk", ["pick_milk"]),
    ],
)
def test_tasks_by_number_range_name_and_pattern(wanted: str | None, names: list[str]) -> None:
    assert [task.name for task in select_tasks(TASKS, wanted)] == names


def test_a_misspelt_task_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match='Did you mean "pick_milk"'):
        select_tasks(TASKS, "pick_mlk")
    with pytest.raises(UsageError, match="tasks 0 to 3"):
        select_tasks(TASKS, "7")


@given(st.integers(1, 23), st.integers(0, 1000))
def test_no_episode_is_silently_repeated(episodes: int, seed: int) -> None:
    planned = plan_episodes(suite(), TASKS, episodes, seed)
    assert len(set(planned)) == len(planned) == episodes * len(TASKS)
    assert [e.init_state for e in planned[:episodes]] == [k % 5 for k in range(episodes)]


def test_the_first_episodes_of_a_longer_run_are_those_of_a_shorter() -> None:
    short, long = (plan_episodes(suite(), TASKS[:1], n, 3) for n in (4, 9))
    assert long[:4] == short


def test_upstream_seeds_have_one_round_of_init_states() -> None:
    with pytest.raises(UsageError, match="--episodes 5"):
        plan_episodes(suite(seed_mode="upstream"), TASKS, 6, 0)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seeds_that_numpy_does_not_take_are_refused_before_the_run(seed: int) -> None:
    with pytest.raises(UsageError, match=rf"0 to 4294967295, not {seed} \(--seed\)"):
        plan_episodes(suite(seed_mode="upstream"), TASKS, 1, seed)
    assert plan_episodes(suite(), TASKS, 1, seed)


def test_shuffling_keeps_the_episodes() -> None:
    planned = plan_episodes(suite(), TASKS, 5, 0)
    assert shuffled(planned, 1) != planned
    assert sorted(shuffled(planned, 1)) == sorted(planned)


def test_chosen_init_states_are_started_from_in_turn() -> None:
    planned = plan_episodes(suite(), TASKS[:1], 5, 7, "3-4, 1")
    assert [(e.init_state, e.seed) for e in planned] == [(3, 7), (4, 7), (1, 7), (3, 8), (4, 8)]
    with pytest.raises(UsageError, match="3 init states to start from"):
        plan_episodes(suite(seed_mode="upstream"), TASKS, 4, 0, "0-2")


def test_named_init_states_are_started_from_once_if_nobody_says_how_often() -> None:
    assert [e.init_state for e in plan_episodes(suite(), TASKS[:1], None, 7, "3-4")] == [3, 4]
    assert len(plan_episodes(suite(), TASKS[:1], None, 7)) == suite().protocol.episodes
    assert len(plan_episodes(suite(episodes=2), TASKS[:1], None, 7, "0-3")) == 2


@pytest.mark.parametrize(
    ("wanted", "message"),
    [("2-9", "has init states 0 to 4"), ("3-1", "no init states"), ("a", "takes numbers and ranges"), ("", "takes")],
)
def test_init_states_that_are_not_there_are_refused(wanted: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plan_episodes(suite(), TASKS, 1, 0, wanted)
