"""Workers stay with the environments they have open, and no episode is lost or given out twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mmact_eval.engine.scheduler import TaskQueue
from mmact_eval.types import Episode


def episodes(*counts: int) -> list[Episode]:
    return [Episode("s", f"task{t}", k, 0) for t, n in enumerate(counts) for k in range(n)]


def test_a_worker_stays_with_its_task_and_two_workers_take_different_ones() -> None:
    queue = TaskQueue(episodes(3, 3))
    first, second = queue.take(0, ()), queue.take(1, ())
    assert first is not None
    assert second is not None
    assert first.task != second.task
    assert queue.take(0, (first.task,)).task == first.task  # type: ignore[union-attr]


def test_a_single_episode_is_left_to_the_worker_that_has_the_environment() -> None:
    queue = TaskQueue(episodes(2))
    queue.take(0, ())
    assert queue.take(1, ()) is None
    assert queue.take(0, ("task0",)) is not None


def test_what_a_dead_worker_held_is_free_again() -> None:
    queue = TaskQueue(episodes(2))
    episode = queue.take(0, ())
    assert episode is not None
    queue.put_back(episode)
    queue.release(0)
    assert queue.take(1, ()) == episode


@given(st.lists(st.integers(0, 6), min_size=1, max_size=5), st.lists(st.integers(0, 3), min_size=1, max_size=80))
def test_every_episode_is_handed_out_once(counts: list[int], turns: list[int]) -> None:
    planned = episodes(*counts)
    queue = TaskQueue(planned)
    seen: list[Episode] = []
    open_tasks: dict[int, tuple[str, ...]] = {}
    for worker in [*turns, *([0] * len(planned))]:
        episode = queue.take(worker, open_tasks.get(worker, ()))
        if episode is not None:
            seen.append(episode)
            open_tasks[worker] = (episode.task,)
    for worker in range(4):  # whatever was left to its holder is taken by it
        while (episode := queue.take(worker, open_tasks.get(worker, ()))) is not None:
            seen.append(episode)
    assert sorted(seen) == sorted(planned)
