"""What every engine must do, free of processes and transport: an engine brings jobs to workers and queries back.

What an engine does in its `loop`: it tells of workers that are `ready`, gives each free one its `next_job`, puts what
it asks (`ask`) and has it answered (`answer`), tells what it has done (`finish`) and replaces it if that says so, and
tells what a worker that died had in hands (`lose`).

Who answers: policies in this process, or replicas of them. These are started and ended by the `loop`; the engine brings
what they say (`hear`) and tells if one is gone (`gone`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mmact_eval.engine.arms import EngineArm
from mmact_eval.engine.batcher import Answer, PolicyHung
from mmact_eval.engine.jobs import Assignment, Place, WorkerPlan
from mmact_eval.engine.limits.hard_deadline import HardDeadline
from mmact_eval.engine.options import EngineOptions, EngineReport
from mmact_eval.engine.replicas.link import ReplicaLink, Replicas
from mmact_eval.engine.replicas.messages import Said
from mmact_eval.engine.replicas.of_arms import pools_of
from mmact_eval.engine.running import RunningArm, worlds_of
from mmact_eval.engine.scheduler import JobQueue, rounds_of
from mmact_eval.errors import MmactEvalError, RunAborted, UsageError
from mmact_eval.observers.artifacts import Parcel
from mmact_eval.types import Episode, EpisodeResult, Query

_STOPPING_SECONDS = 30.0
"""What replicas may take to close their policies."""


class Dispatch:
    """Hands out jobs, has queries answered, and sees to it that each episode's result is recorded once.

    Used from one thread. That should be the main one: only there can a policy that hangs be interrupted.

    Attributes:
        plan: what workers have to know; each makes a `engine.job_runner.JobRunner` of it.
        workers: how many there should be.
    """

    def __init__(
        self,
        arms: Sequence[EngineArm],
        options: EngineOptions,
        shared_disk: bool = True,
        replicas: Replicas | None = None,
    ) -> None:
        """
        Args:
            arms: what to run, all in environments of one plug-in.
            options: how to run.
            shared_disk: whether workers can write into the arms' folders. If not, they learn of none, and what they
                make has to come with `finish` (see `observers.artifacts.CarriedArtifacts`).
            replicas: how replicas of the policies are started, if they are to answer.

        Raises:
            UsageError: replicas are asked for and cannot be had.
        """
        if replicas is None and options.policy_replicas:
            raise UsageError(f'engine "{options.engine}" has no replicas of policies: leave out --policy-replicas.')
        numbers, worlds = worlds_of(arms)
        self._options = options
        self._arms = [RunningArm.of(k, arm, numbers[k], options) for k, arm in enumerate(arms)]
        self._queue = JobQueue(rounds_of([arm.jobs for arm in self._arms], options.turn))
        self._under_way: set[Assignment] = set()
        self._prepared: dict[int, dict[str, str]] = {}
        self._peak_memory_mib: dict[int, float] = {}
        self._restarts = 0
        self._pools = pools_of(self._arms, options, replicas, self._end_numbered, shared_disk) if replicas else []
        configs = tuple(arm.config(shared_disk) for arm in self._arms)
        workers = options.workers_here
        self.plan = WorkerPlan(workers, configs, worlds, options.cached_envs)
        self.workers = min(workers, len(self._queue))

    @property
    def problems(self) -> list[MmactEvalError | None]:
        """See `engine.interface.Engine`."""
        return [arm.problem for arm in self._arms]

    @property
    def reports(self) -> list[EngineReport]:
        """See `engine.interface.Engine`."""
        workers = EngineReport(self._prepared, self._peak_memory_mib, self._restarts)
        replicas = {number: pool.reports for pool in self._pools for number in pool.arms}
        return [replace(arm.report(workers), replicas=replicas.get(arm.number, {})) for arm in self._arms]

    def loop(self, start: Callable[[], None], turn: Callable[[], None]) -> None:
        """The engine's loop.

        Args:
            start: starts `workers` workers; called if there is anything to do.
            turn: waits until workers have something to say, half a second at most, hears it and answers; called until
                nothing is `unfinished`. A turn that takes longer than the policy may is the end of the process (see
                `engine.limits.hard_deadline`).

        An `MmactEvalError` that one of them raises (no worker starts, say) ends all arms that have work left.
        """
        if not self.unfinished:
            return
        try:
            with HardDeadline(self._options.policy_timeout) as deadline:
                for pool in self._pools:
                    pool.start()
                start()
                while self.unfinished:
                    deadline.beat()
                    turn()
        except MmactEvalError as error:
            for arm in self._arms:
                if self._has_work(arm):
                    self._end(arm, error)
        finally:
            for pool in self._pools:
                pool.stop(_STOPPING_SECONDS)

    @property
    def unfinished(self) -> bool:
        """Whether any episode waits, or is under way whose result somebody wants."""
        return self.jobs_wait or any(self._arm(assignment).problem is None for assignment in self._under_way)

    @property
    def jobs_wait(self) -> bool:
        """Whether any episode waits. Idle workers should then ask for jobs after each `finish`, `lose` and `released`:
        one was queued again, or the worker that had its environment has left it."""
        return len(self._queue) > 0

    @property
    def queries_wait(self) -> bool:
        """Whether any query waits for `answer`."""
        return any(arm.batcher for arm in self._arms)

    def ready(self, worker: int, prepared: Mapping[str, str]) -> None:
        """A worker can work from now on.

        Args:
            worker: its number.
            prepared: what it chose (`JobRunner.prepared`).
        """
        self._prepared[worker] = dict(prepared)
        for arm in self._arms:
            if arm.asked.on_ready is not None and arm.asked.episodes and arm.problem is None:
                try:
                    arm.asked.on_ready(prepared)
                except MmactEvalError as error:
                    self._end(arm, error)

    def released(self, worker: int) -> None:
        """A worker is gone and is replaced by a fresh one of the same number, without environments."""
        self._queue.release(worker)
        self._restarts += 1

    def next_job(self, worker: int, places: Iterable[Place]) -> Assignment | None:
        """The next job for a free worker; the policy is told that its episode begins.

        Args:
            worker: its number.
            places: what it has environments of (`JobRunner.places`).

        Returns:
            None if there is nothing for it now.
        """
        while True:
            job = self._queue.take(worker, places)
            if job is None:
                return None
            arm = self._arms[job.arm]
            attempt = arm.attempts[job.episode] = arm.attempts.get(job.episode, 0) + 1
            assignment = Assignment(job, attempt, worker, arm.asked.suite.protocol.episode_timeout)
            trouble = self._reset(arm, job.episode)
            if arm.problem is not None:
                self._queue.finished(job)
            elif trouble:
                self._settle(assignment, EpisodeResult(job.episode, "error", error_kind="policy", error=trouble))
            else:
                self._under_way.add(assignment)
                return assignment

    def ask(self, assignment: Assignment, query: Query, reply: Callable[[Answer], None]) -> None:
        """Queue a worker's query; `reply` is called with the answer, by `answer` or at once if the arm has ended.

        Where a stage begins with it, the policy is told before. A worker that was given up (`lose`) and lives on gets
        no answer: its episode may be in other hands.
        """
        if assignment not in self._under_way:
            reply(Answer(None, error="the episode has been taken from this worker"))
            return
        arm = self._arm(assignment)
        if query.new_stage and arm.problem is None:
            trouble = self._reset(arm, query.episode)
            if trouble:
                reply(Answer(None, error=trouble))
                return
        arm.batcher.submit(query, reply)

    def answer(self) -> None:
        """Let the policy answer what waits of the arm that has waited longest, as one batch; look after replicas.

        To be called in each turn.
        """
        for pool in self._pools:
            pool.look_at_the_clock()
        waiting = [arm for arm in self._arms if arm.batcher]
        if not waiting:
            return
        arm = min(waiting, key=lambda arm: arm.batcher.waits_since)
        try:
            arm.batcher.answer_batch()
        except RunAborted as error:
            self._end(arm, error)

    def hear(self, link: ReplicaLink, said: Said) -> None:
        """A replica of a policy has said something; one that was ended before is not listened to."""
        for pool in self._pools:
            pool.hear(link, said)

    def gone(self, link: ReplicaLink) -> None:
        """A replica of a policy has ended by itself."""
        for pool in self._pools:
            pool.gone(link)

    def finish(
        self, assignment: Assignment, result: EpisodeResult, parcel: Parcel | None = None, peak_memory_mib: float = 0.0
    ) -> bool:
        """A worker has ended an episode: record its result, or queue it again after an error.

        What a worker says that was given up (`lose`) does not count any more.

        Args:
            assignment: what the worker was given.
            result: of `JobRunner.run`.
            parcel: its artifacts, if they did not go to the run folder at once.
            peak_memory_mib: the most memory that the worker has had; 0 if it is not known.

        Returns:
            Whether the worker can go on. If not, it has to be replaced: whatever broke may have left the simulator
            broken.
        """
        if peak_memory_mib:
            self._peak_memory_mib[assignment.worker] = round(peak_memory_mib, 1)
        if assignment in self._under_way:
            self._settle(assignment, result, parcel)
        return result.outcome != "error" or result.error_kind != "environment"

    def lose(self, assignment: Assignment, kind: str, why: str) -> None:
        """A worker has died, or was ended, with this in its hands: an error, which is tried again as any other.

        Tell with `released` that it is replaced, too.

        Args:
            assignment: what it was given.
            kind: ``crash`` or ``timeout``.
            why: a sentence without its stop.
        """
        if assignment not in self._under_way:
            return
        episode = assignment.job.episode
        self._arm(assignment).batcher.withdraw(episode)
        self._settle(assignment, EpisodeResult(episode, "error", error_kind=kind, error=why))

    def _reset(self, arm: RunningArm, episode: Episode) -> str:
        """Tell an arm's policy that an episode, or a stage of it, begins; why that went wrong, "" if it did not.

        What makes no sense to try again ends the arm.
        """
        try:
            arm.batcher.reset(episode)
        except MmactEvalError as error:
            self._end(arm, error)
            return str(error)
        except (Exception, SystemExit) as error:
            return f"{type(error).__name__} in the policy's reset: {error}"
        return ""

    def _settle(self, assignment: Assignment, result: EpisodeResult, parcel: Parcel | None = None) -> None:
        """An attempt has ended: record its result, or queue the episode again after an error; then tell the policy."""
        self._under_way.discard(assignment)
        self._record(assignment, result, parcel)
        arm = self._arm(assignment)
        if arm.problem is None:
            try:
                arm.batcher.ended(result)
            except MmactEvalError as error:
                self._end(arm, error)

    def _record(self, assignment: Assignment, result: EpisodeResult, parcel: Parcel | None) -> None:
        job, arm = assignment.job, self._arm(assignment)
        may_retry = assignment.attempt <= self._options.retries and result.error_kind != "contract"
        if result.outcome == "error" and may_retry and arm.open:
            self._queue.put_back(job)
            return
        self._queue.finished(job)
        if arm.problem is not None or (arm.enough and result.outcome == "error"):
            return
        if parcel is not None:
            result = _unpacked(result, parcel, arm.asked.folder)
        try:
            if arm.asked.on_result(replace(result, attempts=assignment.attempt)):
                arm.enough = True
                self._queue.drop(job.arm)
            if arm.errors.see(result):
                arm.given_up[job.episode.task] = self._queue.drop(job.arm, job.episode.task)
        except MmactEvalError as error:
            self._end(arm, error)

    def _end(self, arm: RunningArm, error: MmactEvalError) -> None:
        """End an arm early; after the policy hung also those that it answers."""
        for other in self._arms:
            same = isinstance(error, PolicyHung) and other.asked.same_model(arm.asked) and self._has_work(other)
            if other is arm or same:
                other.problem = error
                self._queue.drop(other.number)
                other.batcher.refuse("the run has ended")

    def _end_numbered(self, number: int, error: MmactEvalError) -> None:
        if self._arms[number].problem is None:
            self._end(self._arms[number], error)

    def _arm(self, assignment: Assignment) -> RunningArm:
        return self._arms[assignment.job.arm]

    def _has_work(self, arm: RunningArm) -> bool:
        under_way = any(assignment.job.arm == arm.number for assignment in self._under_way)
        return arm.problem is None and (under_way or self._queue.waits(arm.number))


def _unpacked(result: EpisodeResult, parcel: Parcel, folder: str) -> EpisodeResult:
    """The result, its artifacts in the run folder; if they cannot be written, that costs them and not the result."""
    try:
        parcel.unpack(Path(folder))
    except (OSError, ValueError) as error:
        why = f"{type(error).__name__}: {error}"
        lost = {kind: name for kind, name in result.artifacts.items() if name in parcel.placed}
        kept = {kind: name for kind, name in result.artifacts.items() if kind not in lost}
        return replace(result, artifacts={**kept, **{f"{kind}_error": why for kind in lost}})
    return result
