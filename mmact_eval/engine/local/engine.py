"""The local engine: worker processes on this machine, policies in this process or in replica processes.

One thread, one loop: hear what workers and replicas say, answer the queries that wait as one batch, hand out episodes,
look after the clock. Whatever a worker is doing, the others and the policy go on. What they say is read by threads, so
that it is here, pictures and all, when the policy is free again.

It runs one arm, or several over the same workers: a worker stays with the environment it has open while any arm has
episodes for it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from mmact_eval.engine.arms import EngineArm
from mmact_eval.engine.batcher import Answer
from mmact_eval.engine.dispatch import Dispatch
from mmact_eval.engine.local.handle import WorkerHandle
from mmact_eval.engine.local.inbox import Inbox
from mmact_eval.engine.local.messages import Ask, Building, Done, Failed, Ready, WorkerConfig
from mmact_eval.engine.local.process import Gone
from mmact_eval.engine.local.replica_handle import ReplicaHandle
from mmact_eval.engine.options import EngineOptions, EngineReport
from mmact_eval.engine.replicas.link import ReplicaPlan, Replicas
from mmact_eval.errors import MmactEvalError, RunAborted, UsageError
from mmact_eval.machine import cuda_devices

log = logging.getLogger(__name__)


_STARTS = 3
"""How many worker processes in a row may fail to start before everything stops."""


class LocalEngine:
    """Runs episodes of one or several arms on worker processes of this machine; see `engine.interface.Engine`."""

    def __init__(self, arms: Sequence[EngineArm], options: EngineOptions) -> None:
        """
        Args:
            arms: what to run, all in environments of one plug-in.
            options: how to run.
        """
        self._dispatch = Dispatch(arms, options, replicas=self._asked_replicas(options))
        self._logs = next((arm.log_folder for arm in arms), "")
        self._workers: list[WorkerHandle] = []
        self._replicas: list[ReplicaHandle] = []
        self._inbox = Inbox()
        self._failed_starts = 0

    @property
    def problems(self) -> list[MmactEvalError | None]:
        """Why each arm ended early, if it did."""
        return self._dispatch.problems

    @property
    def reports(self) -> list[EngineReport]:
        """For each arm, what the engine can say about itself."""
        return self._dispatch.reports

    def run(self) -> None:
        """Run all arms to their ends; `problems` tells of those that ended early."""
        try:
            self._dispatch.loop(self._start, self._turn)
        finally:
            self._stop_workers()

    def _asked_replicas(self, options: EngineOptions) -> Replicas | None:
        """How replicas are started, each on its GPUs; None if none are asked for.

        Raises:
            UsageError: there are not as many GPUs as one wants.
        """
        if not options.policy_replicas:
            return None
        gpus = cuda_devices.visible()
        count = options.policy_replicas
        if count == "auto":
            count = cuda_devices.fitting(options.policy_gpus, gpus)
        seen = [",".join(cuda_devices.share(number, options.policy_gpus, gpus)) for number in range(count)]

        def start(plan: ReplicaPlan, number: int) -> ReplicaHandle:
            self._replicas = [replica for replica in self._replicas if not replica.over]
            replica = ReplicaHandle(plan, number, seen[number] if gpus else None)
            self._replicas.append(replica)
            replica.listen(partial(self._inbox.put, replica))
            return replica

        return Replicas(start, count)

    def _start(self) -> None:
        for number in range(self._dispatch.workers):
            self._workers.append(self._start_worker(number))

    def _turn(self) -> None:
        """One turn of the loop."""
        # With queries waiting, only pick up what is there already; else sleep until something happens.
        for speaker, message in self._inbox.taken(0 if self._dispatch.queries_wait else 0.5):
            if isinstance(message, Exception):
                raise message
            if isinstance(speaker, ReplicaHandle):
                self._hear_replica(speaker, message)
            elif speaker in self._workers:  # one that was ended is not listened to
                self._hear(speaker, message)
        self._dispatch.answer()
        for worker in list(self._workers):
            late = worker.overdue()
            if late and not self._inbox.has_of(worker):  # else the engine was busy with the policy
                self._lost(worker, "timeout", late)

    def _hear(self, worker: WorkerHandle, message: Any) -> None:
        if isinstance(message, Gone):
            self._lost(worker, "crash", "")
        elif isinstance(message, Ask):
            assert worker.assignment is not None
            worker.mark_waiting(message.sent_at)
            self._dispatch.ask(worker.assignment, message.query, lambda answer: self._reply(worker, answer))
        elif isinstance(message, Done):
            self._finish(worker, message)
        elif isinstance(message, Building):
            worker.mark_building(message.under_way)
        elif isinstance(message, Ready):
            worker.ready = True
            self._failed_starts = 0
            worker.mark_building(False)
            self._dispatch.ready(worker.config.number, message.prepared)
            self._hand_out(worker)
        elif isinstance(message, Failed):
            raise UsageError(message.error) if message.usage else RunAborted(message.error)

    def _hear_replica(self, replica: ReplicaHandle, message: Any) -> None:
        if replica.over:
            return
        if isinstance(message, Gone):
            self._dispatch.gone(replica)
        else:
            self._dispatch.hear(replica, message)

    def _reply(self, worker: WorkerHandle, answer: Answer) -> None:
        try:
            worker.send(answer)
        except OSError:
            log.info("worker %d is gone; its end of file tells the rest", worker.config.number)

    def _hand_out(self, worker: WorkerHandle) -> None:
        """Give a worker its next job, if there is one for it."""
        assignment = self._dispatch.next_job(worker.config.number, worker.open_places)
        if assignment is not None:
            try:
                worker.start_episode(assignment)
            except OSError:
                log.info("worker %d is gone before it could start", worker.config.number)

    def _finish(self, worker: WorkerHandle, done: Done) -> None:
        """A worker has ended an episode: give it the next."""
        assert worker.assignment is not None
        assignment, worker.assignment = worker.assignment, None
        worker.open_places = done.places
        if not self._dispatch.finish(assignment, done.result, peak_memory_mib=done.rss_mib):
            worker = self._replace(worker)
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
                    f"{self._logs or 'the output above'}."
                )
        if worker.assignment is not None:
            self._dispatch.lose(worker.assignment, kind, why or f"the worker process {how}")
        self._replace(worker)
        self._wake_idle()

    def _start_worker(self, number: int) -> WorkerHandle:
        try:
            worker = WorkerHandle(WorkerConfig(number, self._dispatch.plan))
        except OSError as error:
            raise RunAborted(
                f"cannot start worker process {number}: {error.strerror}. Use fewer --workers, or ask for more of what "
                "is used up (`ulimit -n` files, `ulimit -u` processes, memory). Finished episodes are safe; give the "
                "same command again to resume."
            ) from error
        try:
            worker.listen(partial(self._inbox.put, worker))
        except RunAborted:
            worker.kill()
            raise
        return worker

    def _replace(self, worker: WorkerHandle) -> WorkerHandle:
        """A fresh worker in the place of a broken one. It gets its job when it says that it is ready."""
        worker.kill()
        self._dispatch.released(worker.config.number)
        fresh = self._start_worker(worker.config.number)
        self._workers[self._workers.index(worker)] = fresh
        return fresh

    def _wake_idle(self) -> None:
        """Idle workers may have something to do now: a job was put back, or a place has lost its holder."""
        if self._dispatch.jobs_wait:
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
