"""Workers stay with the environments they have open, and no episode is lost or given out twice."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mmact_eval.engine.jobs import Job, Place
from mmact_eval.engine.scheduler import JobQueue, TaskQueue, rounds_of
from mmact_eval.types import Episode


def episodes(*counts: int, arm: int = 0, world: int = 0) -> list[Job]:
    return [Job(arm, Episode("s", f"task{t}", k, 0), world) for t, n in enumerate(counts) for k in range(n)]


def test_a_worker_stays_with_its_task_and_two_workers_take_different_ones() -> None:
    queue = TaskQueue(episodes(3, 3))
    first, second = queue.take(0, ()), queue.take(1, ())
    assert first is not None
    assert second is not None
    assert first.place != second.place
    assert queue.take(0, (first.place,)).place == first.place  # type: ignore[union-attr]


def test_a_single_episode_is_left_to_the_worker_that_has_the_environment() -> None:
    queue = TaskQueue(episodes(2))
    queue.take(0, ())
    assert queue.take(1, ()) is None
    assert queue.take(0, ((0, "task0"),)) is not None


def test_what_a_dead_worker_held_is_free_again() -> None:
    queue = TaskQueue(episodes(2))
    episode = queue.take(0, ())
    assert episode is not None
    queue.put_back(episode)
    queue.release(0)
    assert queue.take(1, ()) == episode


@settings(deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=5), st.lists(st.integers(0, 3), min_size=1, max_size=80))
def test_every_episode_is_handed_out_once(counts: list[int], turns: list[int]) -> None:
    planned = episodes(*counts)
    queue = TaskQueue(planned)
    seen: list[Job] = []
    open_places: dict[int, tuple[Place, ...]] = {}
    for worker in [*turns, *([0] * len(planned))]:
        episode = queue.take(worker, open_places.get(worker, ()))
        if episode is not None:
            seen.append(episode)
            open_places[worker] = (episode.place,)
    for worker in range(4):  # whatever was left to its holder is taken by it
        while (episode := queue.take(worker, open_places.get(worker, ()))) is not None:
            seen.append(episode)
    assert len(seen) == len(planned)
    assert set(seen) == set(planned)


def drained(queue: JobQueue, workers: int) -> list[list[Job]]:
    """What each worker gets if all episodes take equally long."""
    taken: list[list[Job]] = [[] for _ in range(workers)]
    while len(queue):
        now = [(w, queue.take(w, (taken[w][-1].place,) if taken[w] else ())) for w in range(workers)]
        assert any(job for _, job in now), "nobody gets what waits"
        running = [job for _, job in now if job]
        assert len({job.episode for job in running}) == len(running), "an episode is under way in two arms"
        for worker, job in now:
            if job:
                taken[worker].append(job)
                queue.finished(job)
    return taken


def test_an_environment_serves_all_arms_before_the_next_one_is_built() -> None:
    arms = [episodes(3, 3, arm=arm) for arm in range(3)]
    [taken] = drained(JobQueue(rounds_of(arms, turn=0)), workers=1)
    assert [job.place for job in taken] == [(0, "task0")] * 9 + [(0, "task1")] * 9
    assert [job.arm for job in taken[:9]] == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_arms_of_different_worlds_share_no_environment() -> None:
    arms = [episodes(2, arm=0), episodes(2, arm=1, world=1)]
    queue = JobQueue(rounds_of(arms, turn=0))
    first, second = queue.take(0, ()), queue.take(1, ())
    assert first is not None
    assert second is not None
    assert {first.place, second.place} == {(0, "task0"), (1, "task0")}


def test_tasks_and_arms_take_turns() -> None:
    arms = [episodes(4, 4, arm=arm) for arm in range(2)]
    [taken] = drained(JobQueue(rounds_of(arms, turn=2)), workers=1)
    assert [job.episode.task for job in taken] == ["task0"] * 4 + ["task1"] * 4 + ["task1"] * 4 + ["task0"] * 4
    assert {job.episode.init_state for job in taken[:8]} == {0, 1}


def test_an_arm_can_be_dropped_alone() -> None:
    queue = JobQueue(rounds_of([episodes(2, 2, arm=arm) for arm in range(2)], turn=1))
    assert queue.drop(0, "task1") == 2
    assert queue.drop(0) == 2
    assert not queue.waits(0)
    assert len(queue) == 4


@settings(deadline=None)
@given(st.integers(1, 4), st.lists(st.integers(0, 4), min_size=1, max_size=3), st.integers(1, 4), st.integers(0, 2))
def test_no_job_of_any_arm_is_lost_and_no_episode_runs_twice_at_once(
    arms: int, counts: list[int], workers: int, turn: int
) -> None:
    planned = [episodes(*counts, arm=arm) for arm in range(arms)]
    taken = [job for jobs in drained(JobQueue(rounds_of(planned, turn)), workers) for job in jobs]
    everything = [job for jobs in planned for job in jobs]
    assert len(taken) == len(everything)
    assert set(taken) == set(everything)
