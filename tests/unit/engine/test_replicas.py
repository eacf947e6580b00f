"""Replicas of a policy behind links of another kind than the local engine's: in this process, by request and reply."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pytest

from mmact_eval import Episode, EpisodeResult, Observation, PolicyOutput, PolicySpec, Query, registry
from mmact_eval.config.suite_file import load_suite
from mmact_eval.engine.arms import EngineArm
from mmact_eval.engine.batcher import Answer
from mmact_eval.engine.dispatch import Dispatch
from mmact_eval.engine.jobs import Assignment
from mmact_eval.engine.options import EngineOptions
from mmact_eval.engine.replicas.link import ReplicaLink, ReplicaPlan, Replicas
from mmact_eval.engine.replicas.messages import Begin, Ready, Told
from mmact_eval.engine.replicas.recipe import PolicyRecipe
from mmact_eval.engine.replicas.replica import Replica, unfit
from mmact_eval.errors import MmactEvalError, RunAborted, UsageError
from mmact_eval.protocols import Policy
from mmact_eval.specs import EnvSpec

SUITE = load_suite("toy")
EPISODES = [Episode("toy", "easy", k, 0) for k in range(8)]


class Diary:
    """Answers with the number of queries that it was asked at once, and knows what it was told."""

    told: ClassVar[list[str]] = []
    chunk = 1

    def __init__(self, env_spec: EnvSpec, fails_at: int = -1) -> None:
        self.spec = PolicySpec("diary", env_spec.action, chunk=self.chunk)
        self._fails_at = fails_at

    def reset(self, episodes: Sequence[Episode]) -> None:
        self.told.extend(f"reset {episode.init_state}" for episode in episodes)
        if any(episode.init_state == self._fails_at for episode in episodes):
            raise ValueError("not this one")

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        self.told.append(f"act {','.join(str(query.episode.init_state) for query in queries)}")
        return [PolicyOutput(np.full((1, self.spec.action.dim), len(queries) / 10, np.float32)) for _ in queries]

    def episode_ended(self, result: EpisodeResult) -> None:
        self.told.append(f"ended {result.episode.init_state}")


class Link:
    """A replica that is only as far as the test lets it be."""

    def __init__(self, plan: ReplicaPlan, number: int) -> None:
        self.plan = pickle.loads(pickle.dumps(plan))
        self.number = number
        self.inbox: list[Told] = []
        self.stopped = self.killed = False

    def tell(self, message: Told) -> None:
        self.inbox.append(pickle.loads(pickle.dumps(message)))

    def kill(self) -> str:
        self.killed = True
        return "was ended"

    def ask_to_stop(self) -> None:
        self.stopped = True

    def join(self, seconds: float) -> None: ...


class World:
    """A dispatch, its replicas, and what workers would do."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, count: int = 2, retries: int = 1, **args: object) -> None:
        monkeypatch.setattr(Diary, "told", [])
        env_spec = registry.env_plugin("toy").spec(SUITE)
        made = registry.make_policy(f"{__name__}:Diary", args, env_spec)
        recipe = PolicyRecipe.of(f"{__name__}:Diary", args, env_spec, _as_it_is, made, made.policy)
        self.results: list[EpisodeResult] = []
        self.links: list[Link] = []
        self.answers: dict[int, Answer] = {}
        arm = EngineArm(SUITE, made.policy, EPISODES, self.results.append, recipe=recipe)
        options = EngineOptions(workers=6, retries=retries, policy_timeout=5, policy_replicas=count)
        self.dispatch = Dispatch([arm], options, replicas=Replicas(self._start, count))
        for pool in self.dispatch._pools:
            pool.start()
        self.replicas: dict[Link, Replica] = {}

    def _start(self, plan: ReplicaPlan, number: int) -> ReplicaLink:
        self.links.append(Link(plan, number))
        return self.links[-1]

    def make_ready(self, link: Link) -> None:
        try:
            self.replicas[link] = Replica(link.plan)
        except MmactEvalError as error:
            self.dispatch.hear(link, unfit(error, link.plan))
        else:
            self.dispatch.hear(link, Ready())

    def job(self, worker: int) -> Assignment:
        found = self.dispatch.next_job(worker, ())
        assert found is not None
        return found

    def ask(self, assignment: Assignment, index: int = 0) -> None:
        episode = assignment.job.episode
        query = Query(Observation({}, {}, "go"), episode, index)
        self.dispatch.ask(assignment, query, lambda answer: self.answers.__setitem__(episode.init_state, answer))

    def turn(self, link: Link) -> None:
        told, link.inbox = link.inbox, []
        for said in self.replicas[link].turn(told):
            self.dispatch.hear(link, pickle.loads(pickle.dumps(said)))

    def end(self, assignment: Assignment, outcome: str = "success") -> None:
        kind = "policy" if outcome == "error" else ""
        self.dispatch.finish(assignment, EpisodeResult(assignment.job.episode, outcome, error_kind=kind))  # type: ignore[arg-type]


def _as_it_is(policy: Policy) -> Policy:
    return policy


def test_an_episode_stays_with_its_replica_and_what_waits_there_is_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    jobs = [world.job(worker) for worker in range(4)]
    for job in jobs:
        world.ask(job)
    assert all(not link.inbox for link in world.links), "nobody is ready"
    for link in world.links:
        world.make_ready(link)
    assert begun(world.links[0]) == [0, 1], "its share"
    assert begun(world.links[1]) == [2, 3]

    world.ask(world.job(4))
    assert begun(world.links[0]) == [0, 1, 4]
    world.ask(world.job(5))
    assert begun(world.links[1]) == [2, 3, 5], "the replica with fewer episodes gets the next one"
    world.turn(world.links[0])
    assert set(world.answers) == {0, 1, 4}
    world.ask(jobs[0], 1)
    assert begun(world.links[1]) == [2, 3, 5]
    world.turn(world.links[0])
    world.end(jobs[0])
    world.turn(world.links[0])
    assert Diary.told == ["reset 0", "reset 1", "reset 4", "act 0,1,4", "act 0", "ended 0"]
    report = world.dispatch.reports[0]
    assert (report.batches, report.queries) == (2, 4)
    assert (report.replicas[0].batches, report.replicas[1].batches) == (2, 0)


def test_the_first_that_is_ready_waits_for_the_others_for_a_moment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("mmact_eval.engine.replicas.pool.running_seconds", lambda: now)
    world = World(monkeypatch)
    for worker in range(3):
        world.ask(world.job(worker))
    world.make_ready(world.links[0])
    assert begun(world.links[0]) == [0, 1]
    now += 21
    world.dispatch.answer()
    assert begun(world.links[0]) == [0, 1, 2]


@pytest.mark.parametrize(
    ("asked", "taken"), [(1, [1, 0, 0]), (2, [1, 1, 0]), (3, [1, 1, 1]), (4, [2, 1, 1]), (5, [3, 1, 1]), (6, [2, 2, 2])]
)
def test_episodes_that_wait_are_shared_by_all_that_are_about_to_be_ready(
    monkeypatch: pytest.MonkeyPatch, asked: int, taken: list[int]
) -> None:
    world = World(monkeypatch, count=3)
    for worker in range(asked):
        world.ask(world.job(worker))
    for link in world.links:
        world.make_ready(link)
    assert [len(begun(link)) for link in world.links] == taken


def begun(link: Link) -> list[int]:
    return [message.episode.init_state for message in link.inbox if isinstance(message, Begin)]


def test_what_a_lost_replica_had_is_tried_again_by_others_and_another_takes_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch)
    for link in world.links:
        world.make_ready(link)
    first, second, third = world.job(0), world.job(1), world.job(2)
    for job in (first, second, third):
        world.ask(job)
    world.turn(world.links[0])  # which has the first and the third
    world.ask(first, 1)
    world.dispatch.gone(world.links[0])
    assert "replica 0 was ended" in world.answers[0].error
    world.ask(third, 1)
    assert "replica 0 was ended" in world.answers[2].error, "what it remembers of the episode is gone"
    world.end(first, "error")
    world.end(third, "error")
    assert world.results == []
    assert len(world.links) == 3, "another replica"

    again = world.job(0)
    assert (again.job.episode, again.attempt) == (third.job.episode, 2)
    world.ask(again)
    world.turn(world.links[1])
    assert world.answers[2].output is not None
    world.dispatch.hear(world.links[0], Ready())  # one that is gone has nothing to say
    world.make_ready(world.links[2])
    next_one = world.job(2)
    world.ask(next_one)
    assert world.links[2].inbox
    assert world.dispatch.reports[0].replicas[0].restarts == 1
    assert world.dispatch.problems == [None]


def test_one_that_hangs_is_ended_and_one_that_only_waits_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("mmact_eval.engine.replicas.place.running_seconds", lambda: now)
    world = World(monkeypatch)
    for link in world.links:
        world.make_ready(link)
    now += 1000
    world.dispatch.answer()
    assert not any(link.killed for link in world.links)
    job = world.job(0)
    world.ask(job)
    now += 19  # two calls of five seconds, its `reset` and its `act`, and ten to say that it hangs
    world.dispatch.answer()
    assert not world.links[0].killed
    now += 2
    world.dispatch.answer()
    assert [link.killed for link in world.links] == [True, False, False]
    assert "has not answered for 5 s (--policy-timeout)" in world.answers[0].error


def test_an_arm_ends_with_the_reason_when_no_replica_works(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    job = world.job(0)
    world.ask(job)
    while any(not link.killed for link in world.links):
        world.dispatch.gone(next(link for link in world.links if not link.killed))
        assert len(world.links) < 100
    assert len(world.links) == 8, "three more in each place"
    (problem,) = world.dispatch.problems
    assert isinstance(problem, RunAborted)
    assert "no replica of the policy works; the last one was ended" in str(problem)
    assert world.answers[0].error == "the run has ended"
    assert not world.dispatch.unfinished


def test_one_that_can_never_work_is_given_up_at_once_and_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    world.make_ready(world.links[1])
    world.dispatch.hear(world.links[0], unfit(RuntimeError("no such GPU")))
    assert len(world.links) == 2
    job = world.job(0)
    world.ask(job)
    world.turn(world.links[1])
    assert world.answers[0].output is not None
    assert world.dispatch.reports[0].replicas[0].given_up == "cannot work: RuntimeError: no such GPU"


def test_another_policy_than_that_of_the_run_is_refused_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    monkeypatch.setattr(Diary, "chunk", 3)
    world.make_ready(world.links[0])
    (problem,) = world.dispatch.problems
    assert isinstance(problem, UsageError)
    assert "policy.chunk: 1 → 3 (this run → the replica)" in str(problem)
    assert "\n" not in str(problem)


def test_a_reset_that_raises_is_the_answer_to_the_first_query(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, count=1, fails_at=0)
    world.make_ready(world.links[0])
    first, second = world.job(0), world.job(1)
    world.ask(first)
    world.ask(second)
    world.turn(world.links[0])
    assert world.answers[0].error == "ValueError in the policy's reset: not this one"
    assert world.answers[1].output is not None


def test_nobody_is_asked_for_a_worker_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, count=1)
    world.make_ready(world.links[0])
    first, second = world.job(0), world.job(1)
    world.ask(first)
    world.ask(second)
    world.dispatch.lose(first, "crash", "the worker is gone")
    world.turn(world.links[0])
    assert Diary.told == ["reset 0", "reset 1", "ended 0", "act 1"]
    assert list(world.answers) == [1]


def test_an_engine_without_replicas_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match='engine "local" has no replicas'):
        Dispatch([], EngineOptions(policy_replicas=1))


def test_a_policy_made_with_what_cannot_be_sent_has_no_replicas(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="cannot have replicas, because what it is made with cannot be sent"):
        World(monkeypatch, fails_at=lambda: 3)


def test_an_episode_whose_worker_is_gone_begins_again_where_it_may_still_be_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch)
    for link in world.links:
        world.make_ready(link)
    jobs = [world.job(worker) for worker in range(3)]
    for job in jobs:
        world.ask(job)
    assert begun(world.links[0]) == [0, 2]
    world.dispatch.lose(jobs[0], "crash", "the worker is gone")
    world.dispatch.released(0)
    world.end(jobs[1])
    again = world.job(0)
    assert (again.job.episode, again.attempt) == (EPISODES[0], 2)
    world.ask(again)
    assert begun(world.links[0]) == [0, 2, 0], "though the other one has less to do"
