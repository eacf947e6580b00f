"""Which job a free worker gets: one whose environment it has open, if there is one."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Collection, Iterable, Sequence

from mmact_eval.engine.jobs import Job, Place
from mmact_eval.types import Episode


class TaskQueue:
    """Waiting jobs by place, handed out with affinity; within a place in the order given.

    A worker stays with its places while they last; then it takes the fullest place nobody has; then it helps with the
    fullest place of others, if at least two jobs wait there (for one, building an environment does not pay).
    """

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._waiting: OrderedDict[Place, deque[Job]] = OrderedDict()
        self._holders: dict[Place, set[int]] = {}
        for job in jobs:
            self._waiting.setdefault(job.place, deque()).append(job)

    def __len__(self) -> int:
        return sum(len(jobs) for jobs in self._waiting.values())

    def put_back(self, job: Job) -> None:
        """Queue a job again, before the others of its place."""
        self._waiting.setdefault(job.place, deque()).appendleft(job)

    def waits(self, arm: int) -> bool:
        """Whether any job of an arm waits."""
        return any(job.arm == arm for jobs in self._waiting.values() for job in jobs)

    def drop(self, arm: int, task: str | None = None) -> int:
        """Give an arm's waiting jobs up, of one task or of all, and return how many there were."""
        before = len(self)
        for place, jobs in self._waiting.items():
            if task in (None, place[1]):
                self._waiting[place] = deque(job for job in jobs if job.arm != arm)
        return before - len(self)

    def release(self, worker: int) -> None:
        """Forget what a worker holds: it is gone."""
        for holders in self._holders.values():
            holders.discard(worker)

    def take(self, worker: int, open_places: Iterable[Place], busy: Collection[Episode] = ()) -> Job | None:
        """The next job for a worker.

        Args:
            worker: its number.
            open_places: what it has environments of, the most recently used last.
            busy: episodes that are under way in some arm; no job of theirs is handed out.

        Returns:
            None if there is nothing worth doing for it now.
        """

        def ready(place: Place) -> bool:
            return any(job.episode not in busy for job in self._waiting.get(place, ()))

        for place in reversed(list(open_places)):
            if ready(place):
                return self._hand_out(worker, place, busy)
        found = [place for place in self._waiting if ready(place)]
        free = [place for place in found if not self._holders.get(place, set()) - {worker}]
        if free:
            return self._hand_out(worker, max(free, key=lambda place: len(self._waiting[place])), busy)
        shared = [place for place in found if len(self._waiting[place]) >= 2]
        if shared:
            fullest = max(shared, key=lambda place: len(self._waiting[place]) / len(self._holders[place]))
            return self._hand_out(worker, fullest, busy)
        return None

    def _hand_out(self, worker: int, place: Place, busy: Collection[Episode]) -> Job:
        for other, holders in self._holders.items():
            if other != place:
                holders.discard(worker)
        self._holders.setdefault(place, set()).add(worker)
        jobs = self._waiting[place]
        job = next(job for job in jobs if job.episode not in busy)
        jobs.remove(job)
        return job


class JobQueue:
    """All jobs of an engine, in rounds: the next round is opened when nothing is left to hand out of those before it.

    An episode is never under way in two arms at once: a policy that serves both knows what it remembers by the
    episode, and so does a server behind two policies.
    """

    def __init__(self, rounds: Sequence[Sequence[Job]]) -> None:
        self._queues = [TaskQueue(jobs) for jobs in rounds]
        self._queue_of = {job: queue for jobs, queue in zip(rounds, self._queues, strict=True) for job in jobs}
        self._busy: set[Episode] = set()

    def __len__(self) -> int:
        return sum(map(len, self._queues))

    def take(self, worker: int, open_places: Iterable[Place]) -> Job | None:
        """The next job for a worker, as `TaskQueue.take`, of the first round that has one for it."""
        places = tuple(open_places)
        for queue in self._queues:
            job = queue.take(worker, places, self._busy)
            if job is not None:
                self._busy.add(job.episode)
                return job
        return None

    def finished(self, job: Job) -> None:
        """A job that was handed out is over."""
        self._busy.discard(job.episode)

    def put_back(self, job: Job) -> None:
        """Queue a job again that was handed out, in its round."""
        self.finished(job)
        self._queue_of[job].put_back(job)

    def waits(self, arm: int) -> bool:
        """Whether any job of an arm waits."""
        return any(queue.waits(arm) for queue in self._queues)

    def drop(self, arm: int, task: str | None = None) -> int:
        """Give an arm's waiting jobs up, of one task or of all, and return how many there were."""
        return sum(queue.drop(arm, task) for queue in self._queues)

    def release(self, worker: int) -> None:
        """Forget what a worker holds: it is gone."""
        for queue in self._queues:
            queue.release(worker)


def rounds_of(jobs: Sequence[Sequence[Job]], turn: int) -> list[list[Job]]:
    """The jobs of several arms, arm by arm in each round, so that a place's jobs of one arm make batches together.

    Args:
        jobs: of each arm, in its order.
        turn: after so many of its episodes a task makes room for the next; 0: one round.
    """
    rounds: list[list[Job]] = []
    for of_arm in jobs:
        job_of = {job.episode: job for job in of_arm}
        turns = in_turns(list(job_of), turn) if turn else [list(job_of)]
        for number, episodes in enumerate(turns):
            if number == len(rounds):
                rounds.append([])
            rounds[number] += [job_of[episode] for episode in episodes]
    return rounds


def in_turns(episodes: Sequence[Episode], turn: int) -> list[list[Episode]]:
    """The episodes in rounds, in each of which every task has its next `turn` episodes."""
    rounds: list[list[Episode]] = []
    seen: dict[str, int] = {}
    for episode in episodes:
        number = seen.get(episode.task, 0)
        seen[episode.task] = number + 1
        while len(rounds) <= number // turn:
            rounds.append([])
        rounds[number // turn].append(episode)
    return rounds
