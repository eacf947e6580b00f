"""The local engine: worker processes on this machine, policies in this process.

One thread, one loop: hear what workers say, answer the queries that wait as one batch, hand out episodes, look after
the clock. Whatever a worker is doing, the others and the policy go on.

It runs one arm, or several over the same workers: a worker stays with the environment it has open while any arm has
episodes for it.
"""

from __future__ import annotations

import logging
import math
import multiprocessing.connection
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from mmact_eval.engine.arms import EngineArm, RunningArm, worlds_of
from mmact_eval.engine.batcher import PolicyHung
from mmact_eval.engine.hard_deadline import HardDeadline
from mmact_eval.engine.local.handle import Assignment, WorkerHandle
from mmact_eval.engine.local.messages import Answer, Ask, Building, Built, Done, Failed, Ready, Run, WorkerConfig
from mmact_eval.engine.options import EngineOptions, EngineReport
from mmact_eval.engine.scheduler import JobQueue, rounds_of
from mmact_eval.errors import MmactEvalError, RunAborted, UsageError
from mmact_eval.types import EpisodeResult

__all__ = ["EngineArm", "EngineOptions", "EngineReport", "LocalEngine"]

log = logging.getLogger(__name__)


_STARTS = 3
"""How many worker processes in a row may fail to start before everything stops."""


class LocalEngine:
    """Runs episodes of one or several arms on worker processes of this machine."""

    def __init__(self, arms: Sequence[EngineArm], options: EngineOptions) -> None:
        """
        Args:
            arms: what to run, all in environments of one plug-in.
            options: how to run.
        """
        numbers, self._worlds = worlds_of(arms)
        self._options = options
        self._arms = [RunningArm.of(k, arm, numbers[k], options) for k, arm in enumerate(arms)]
        self._queue = JobQueue(rounds_of([arm.jobs for arm in self._arms], options.turn))
        self._workers: list[WorkerHandle] = []
        self._failed_starts = 0
        self._prepared: dict[int, dict[str, str]] = {}
        self._peak_memory_mib: dict[int, float] = {}
        self._restarts = 0

    @property
    def problems(self) -> list[MmactEvalError | None]:
        """Why each arm ended early, if it did: its policy hangs or breaks its contract, its results cannot be written,
        nothing ever goes well; or, for all that were not done, workers do not start."""
        return [arm.problem for arm in self._arms]

    @property
    def reports(self) -> list[EngineReport]:
        """For each arm, what the engine can say about itself."""
        pool = EngineReport(self._prepared, self._peak_memory_mib, self._restarts)
        return [arm.report(pool) for arm in self._arms]

    def run(self) -> None:
        """Run all arms to their ends; `problems` tells of those that ended early."""
        if not len(self._queue):
            return
        try:
            with HardDeadline(self._options.policy_timeout) as deadline:
                for number in range(min(self._options.workers, len(self._queue))):
                    self._workers.append(self._start_worker(number))
                while len(self._queue) or any(self._counts(worker.assignment) for worker in self._workers):
                    deadline.beat()
                    self._turn()
        except MmactEvalError as error:  # of the workers
            for arm in self._arms:
                if self._has_work(arm):
                    self._end(arm, error)
        finally:
            self._stop_workers()

    def _turn(self) -> None:
        """One turn of the loop."""
        pipes = {worker.pipe: worker for worker in self._workers}
        asked = any(arm.batcher for arm in self._arms)
        # With queries waiting, only pick up what is there already; else sleep until something happens.
        for pipe in multiprocessing.connection.wait(list(pipes), timeout=0 if asked else 0.5):
            self._hear(pipes[pipe])  # type: ignore[index]
        self._answer()
        for worker in list(self._workers):
            limit = self._arm(worker.assignment).asked.suite.protocol.episode_timeout if worker.assignment else math.inf
            late = worker.overdue(limit)
            if late:
                self._lost(worker, "timeout", late)

    def _answer(self) -> None:
        """Answer a batch of the arm that has waited longest."""
        waiting = [arm for arm in self._arms if arm.batcher]
        if not waiting:
            return
        arm = min(waiting, key=lambda arm: arm.batcher.waits_since)
        try:
            arm.batcher.answer_batch()
        except RunAborted as error:
            self._end(arm, error)

    def _hear(self, worker: WorkerHandle) -> None:
        try:
            message = worker.pipe.recv()
        except (EOFError, OSError):
            self._lost(worker, "crash", "")
            return
        if isinstance(message, Ask):
            assert worker.assignment is not None
            worker.mark_waiting(message.sent_at)
            arm = self._arm(worker.assignment)
            arm.batcher.submit(message.query, lambda answer: self._reply(worker, answer))
        elif isinstance(message, Done):
            self._peak_memory_mib[worker.config.number] = round(message.rss_mib, 1)
            worker.open_places = message.places
            self._finish(worker, message.result)
        elif isinstance(message, Building | Built):
            worker.mark_building(isinstance(message, Building))
        elif isinstance(message, Ready):
            worker.ready = True
            self._failed_starts = 0
            worker.mark_building(False)
            self._prepared[worker.config.number] = dict(message.prepared)
            self._tell_ready(message.prepared)
            self._hand_out(worker)
        elif isinstance(message, Failed):
            raise UsageError(message.error) if message.usage else RunAborted(message.error)

    def _tell_ready(self, prepared: Mapping[str, str]) -> None:
        for arm in self._arms:
            if arm.asked.on_ready is not None and arm.asked.episodes and arm.problem is None:
                try:
                    arm.asked.on_ready(prepared)
                except MmactEvalError as error:
                    self._end(arm, error)

    def _reply(self, worker: WorkerHandle, answer: Answer) -> None:
        try:
            worker.send(answer)
        except OSError:
            log.info("worker %d is gone; its end of file tells the rest", worker.config.number)

    def _hand_out(self, worker: WorkerHandle) -> None:
        """Give a worker its next job, if there is one for it."""
        while True:
            job = self._queue.take(worker.config.number, worker.open_places)
            if job is None:
                return
            arm = self._arms[job.arm]
            attempt = arm.attempts[job.episode] = arm.attempts.get(job.episode, 0) + 1
            assignment = Assignment(job, attempt)
            try:
                arm.batcher.reset(job.episode)
            except MmactEvalError as error:
                self._queue.finished(job)
                self._end(arm, error)
                continue
            except (Exception, SystemExit) as error:
                text = f"{type(error).__name__} in the policy's reset: {error}"
                self._settle(assignment, EpisodeResult(job.episode, "error", error_kind="policy", error=text))
                continue
            try:
                worker.start_episode(assignment, Run(job))
            except OSError:
                log.info("worker %d is gone before it could start", worker.config.number)
            return

    def _finish(self, worker: WorkerHandle, result: EpisodeResult) -> None:
        """A worker has ended an episode: record it or try it again, and give the worker the next."""
        assignment = worker.assignment
        assert assignment is not None
        worker.assignment = None
        self._settle(assignment, result)
        if result.outcome == "error" and result.error_kind == "environment":
            worker = self._replace(worker)  # whatever broke may have left the simulator broken
        if worker.ready:
            self._hand_out(worker)
        self._wake_idle()

    def _lost(self, worker: WorkerHandle, kind: str, why: str) -> None:
        """A worker has died, or is ended because it is late."""
        how = worker.kill()
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts > _STARTS:
                raise RunAborted(
                    f"worker processes do not start: the last {why or how}; see the logs in "
                    f"{self._arms[0].asked.log_folder or 'the output above'}."
                )
        if worker.assignment is not None:
            episode = worker.assignment.job.episode
            self._arm(worker.assignment).batcher.withdraw(episode)
            text = why or f"the worker process {how}"
            self._settle(worker.assignment, EpisodeResult(episode, "error", error_kind=kind, error=text))
        self._replace(worker)
        self._wake_idle()

    def _settle(self, assignment: Assignment, result: EpisodeResult) -> None:
        """An attempt has ended: record its result, or queue the episode again after an error."""
        job, arm = assignment.job, self._arm(assignment)
        may_retry = assignment.attempt <= self._options.retries and result.error_kind != "contract"
        if result.outcome == "error" and may_retry and arm.open:
            self._queue.put_back(job)
            return
        self._queue.finished(job)
        if arm.problem is not None or (arm.enough and result.outcome == "error"):
            return
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

    def _arm(self, assignment: Assignment) -> RunningArm:
        return self._arms[assignment.job.arm]

    def _counts(self, assignment: Assignment | None) -> bool:
        """Whether there is an episode whose result somebody wants."""
        return assignment is not None and self._arm(assignment).problem is None

    def _has_work(self, arm: RunningArm) -> bool:
        under_way = any(worker.assignment and worker.assignment.job.arm == arm.number for worker in self._workers)
        return arm.problem is None and (under_way or self._queue.waits(arm.number))

    def _start_worker(self, number: int) -> WorkerHandle:
        arms = tuple(arm.config for arm in self._arms)
        config = WorkerConfig(number, self._options.workers, arms, self._worlds, self._options.cached_envs)
        try:
            return WorkerHandle(config)
        except OSError as error:
            raise RunAborted(
                f"cannot start worker process {number}: {error.strerror}. Use fewer --workers, or ask for more of what "
                "is used up (`ulimit -n` files, `ulimit -u` processes, memory). Finished episodes are safe; give the "
                "same command again to resume."
            ) from error

    def _replace(self, worker: WorkerHandle) -> WorkerHandle:
        """A fresh worker in the place of a broken one. It gets its job when it says that it is ready."""
        worker.kill()
        self._queue.release(worker.config.number)
        self._restarts += 1
        fresh = self._start_worker(worker.config.number)
        self._workers[self._workers.index(worker)] = fresh
        return fresh

    def _wake_idle(self) -> None:
        """Idle workers may have something to do now: a job was put back, or a place has lost its holder."""
        if len(self._queue):
            for worker in self._workers:
                if worker.ready and worker.assignment is None:
                    self._hand_out(worker)

    def _stop_workers(self) -> None:
        for worker in self._workers:
            if worker.assignment is None:
                worker.ask_to_stop()
        deadline = time.monotonic() + 10
        for worker in self._workers:
            worker.join(deadline - time.monotonic() if worker.assignment is None else 0)
        self._workers = []
