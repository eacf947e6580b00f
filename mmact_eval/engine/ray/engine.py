"""The Ray engine: workers on the nodes of a cluster, policies in this process.

One thread, one loop, like the local engine's: hear what workers say, answer the queries that wait as one batch, hand
out episodes. Ray decides where workers are; those for whom there is no room yet wait for it, and begin when a node
joins. A node that dies costs the episodes that its workers had in hands, which are tried again elsewhere.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import ray

from mmact_eval.engine.arms import EngineArm
from mmact_eval.engine.batcher import Answer
from mmact_eval.engine.dispatch import Dispatch
from mmact_eval.engine.local.messages import Ask, Done, Failed, Ready
from mmact_eval.engine.options import EngineOptions, EngineReport
from mmact_eval.engine.ray import accidents, cluster
from mmact_eval.engine.ray.fitness import made_of
from mmact_eval.engine.ray.handle import RemoteWorker
from mmact_eval.engine.ray.logs import WorkerLogs
from mmact_eval.engine.ray.messages import Alive, Begin, Hello, Lost, Report, Unfit
from mmact_eval.engine.ray.placement import Placement
from mmact_eval.errors import MmactEvalError, RunAborted

_STARTS = 3
"""How many workers in a row may fail to start before everything stops."""

_STOP = 15.0
"""Seconds that workers may take to close their environments at the end."""


class RayEngine:
    """Runs episodes of one or several arms on a Ray cluster; see `engine.interface.Engine`."""

    def __init__(self, arms: Sequence[EngineArm], options: EngineOptions) -> None:
        """
        Args:
            arms: what to run, all in environments of one plug-in.
            options: how to run.
        """
        self._options = options
        episodes = sum(len(arm.episodes) for arm in arms)
        self._dispatch = Dispatch(arms, replace(options, workers=options.workers or episodes or 1), shared_disk=False)
        self._logs = WorkerLogs([arm.log_folder for arm in arms])
        self._placement = Placement(options.worker_cpus, options.workers)
        self._hidden = [os.path.abspath(entry) for entry in {sys.path[0], os.getcwd()}]
        self._workers: list[RemoteWorker] = []
        self._failed_starts = 0
        self._connection = ExitStack()

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
        with self._connection:
            try:
                self._dispatch.loop(self._start, self._turn)
            finally:
                self._stop_workers()

    def _start(self) -> None:
        room = self._options.workers * self._options.worker_cpus
        self._connection.enter_context(cluster.connected(self._options.cluster, max(1, round(room))))
        self._made_of = made_of(world.suite for world in self._dispatch.plan.worlds)
        self._start_what_fits()

    def _start_what_fits(self) -> None:
        """Start as many workers as are wanted; of a cluster that grows more and more, if that was asked for."""
        for number in range(len(self._workers), min(self._placement.wanted(), self._dispatch.workers)):
            self._workers.append(self._worker(number))

    def _turn(self) -> None:
        """One turn of the loop."""
        calls: dict[Any, RemoteWorker] = {worker.call: worker for worker in self._workers if worker.call is not None}
        # With queries waiting, only pick up what is there already; else sleep until something happens.
        answered, _ = ray.wait(list(calls), timeout=0 if self._dispatch.queries_wait else 0.5) if calls else ([], [])
        if answered:
            answered, _ = ray.wait(list(calls), num_returns=len(calls), timeout=0)
        for call in answered:
            self._hear(calls[call])
        self._dispatch.answer()
        if self._placement.look(any(worker.ready for worker in self._workers)):
            self._start_what_fits()

    def _hear(self, worker: RemoteWorker) -> None:
        try:
            heard = worker.heard()
        except ray.exceptions.RayError as error:
            worker.kill()  # it may be out of reach and not gone
            self._lost(worker, "crash", accidents.told(error, worker.hello))
            return
        if isinstance(heard, Hello):
            self._begin(worker, heard)
        else:
            self._logs.write(worker, heard.printed)
            self._understand(worker, heard)

    def _begin(self, worker: RemoteWorker, hello: Hello) -> None:
        """An actor has come to life: start its process, if its node is as this machine is."""
        problems = self._placement.unlike(hello, self._made_of)
        if problems:
            self._refuse(worker, hello, problems)
            return
        number, of = self._placement.put(worker.number, hello.node)
        self._logs.begin(worker)
        plan = replace(self._dispatch.plan, workers=of)
        worker.begin(Begin(number, plan, self._made_of, os.getcwd()))

    def _understand(self, worker: RemoteWorker, report: Report) -> None:
        message = report.message
        if isinstance(message, Ask):
            assert worker.assignment is not None
            self._dispatch.ask(worker.assignment, message.query, lambda answer: self._reply(worker, answer))
        elif isinstance(message, Done):
            self._finish(worker, message)
        elif isinstance(message, Lost):
            self._lost(worker, message.kind, message.why)
        elif isinstance(message, Ready):
            worker.ready = True
            self._failed_starts = 0
            self._dispatch.ready(worker.number, message.prepared)
            self._hand_out(worker)
        elif isinstance(message, Alive):
            self._hand_out(worker)
        elif isinstance(message, Unfit | Failed):
            assert worker.hello is not None
            why = [message.error] if isinstance(message, Failed) else message.why
            self._refuse(worker, worker.hello, why)

    def _reply(self, worker: RemoteWorker, answer: Answer) -> None:
        worker.tell(answer)

    def _hand_out(self, worker: RemoteWorker) -> None:
        """Give a worker its next job, if there is one for it."""
        assignment = self._dispatch.next_job(worker.number, worker.open_places)
        if assignment is not None:
            worker.tell(assignment)

    def _finish(self, worker: RemoteWorker, done: Done) -> None:
        """A worker has ended an episode: give it the next."""
        assert worker.assignment is not None
        assignment, worker.assignment = worker.assignment, None
        worker.open_places = done.places
        if self._dispatch.finish(assignment, done.result, done.parcel, done.rss_mib):
            self._hand_out(worker)
        else:
            self._replace(worker)
        self._wake_idle()

    def _lost(self, worker: RemoteWorker, kind: str, why: str) -> None:
        """A worker has died, or was ended because it was late."""
        if worker.hello is not None and not worker.ready:
            self._failed_starts += 1
            if self._failed_starts > _STARTS:
                raise RunAborted(f"workers do not start: the last: {why}; see the logs in {self._logs.folder}.")
        if worker.assignment is not None:
            self._dispatch.lose(worker.assignment, kind, why)
        self._replace(worker)
        self._wake_idle()

    def _refuse(self, worker: RemoteWorker, hello: Hello, why: Sequence[str]) -> None:
        """No worker is to be on this node.

        Raises:
            UsageError: there is no other.
        """
        self._placement.refuse(hello, why)
        self._replace(worker)

    def _worker(self, number: int) -> RemoteWorker:
        return RemoteWorker(number, self._options.worker_cpus, self._hidden, self._placement.refused)

    def _replace(self, worker: RemoteWorker) -> None:
        """A fresh worker in the place of a broken one. It gets its job when it says that it is ready."""
        self._placement.leave(worker.number)
        if worker.ready:
            self._dispatch.released(worker.number)
        worker.stop()  # after which nobody holds its actor any more, and Ray ends it
        self._workers[self._workers.index(worker)] = self._worker(worker.number)

    def _wake_idle(self) -> None:
        """Idle workers may have something to do now. They may have died meanwhile, so they are asked first."""
        if self._dispatch.jobs_wait:
            for worker in self._workers:
                if worker.ready and worker.assignment is None and worker.call is None:
                    worker.tell(None)

    def _stop_workers(self) -> None:
        workers, self._workers = self._workers, []
        if not workers or not ray.is_initialized():
            return
        try:
            ending = [worker.stop() for worker in workers if worker.hello is not None]
            if ending:
                ray.wait(ending, num_returns=len(ending), timeout=_STOP)
        finally:
            for worker in workers:
                worker.kill()
