"""The Ray engine: workers on the nodes of a cluster, policies in this process or on the cluster's GPUs.

One thread, one loop, like the local engine's: hear what workers say, have the queries that wait answered, hand out
episodes. Ray decides where workers are; those for whom there is no room yet wait for it, and begin when a node joins. A
node that dies costs the episodes that its workers had in hands, which are tried again elsewhere.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import ray

from mmact_eval.engine.arms import EngineArm
from mmact_eval.engine.dispatch import Dispatch
from mmact_eval.engine.local.messages import Ask, Done, Failed, Ready
from mmact_eval.engine.options import EngineOptions, EngineReport
from mmact_eval.engine.ray import accidents, cluster
from mmact_eval.engine.ray.calls import wait
from mmact_eval.engine.ray.handle import RemoteWorker
from mmact_eval.engine.ray.logs import Logs
from mmact_eval.engine.ray.messages import Alive, Begin, Hello, Lost, PolicyReport, Report, Unfit
from mmact_eval.engine.ray.node.fitness import made_of
from mmact_eval.engine.ray.placement import Placement
from mmact_eval.engine.ray.replicas import RayReplica, RayReplicas
from mmact_eval.engine.ray.waiting import Waiting
from mmact_eval.errors import MmactEvalError, RunAborted, UsageError

_STARTS = 3
"""How many workers in a row may fail to start on a node before none is put there any more."""

_STOP = 15.0
"""Seconds that workers may take to close their environments at the end."""


class RayEngine:
    """Runs episodes of one or several arms on a Ray cluster; see `engine.interface.Engine`."""

    def __init__(self, arms: Sequence[EngineArm], options: EngineOptions) -> None:
        """
        Args:
            arms: what to run, all in environments of one plug-in.
            options: how to run.

        Raises:
            UsageError: replicas of a policy are asked for, and there is no such cluster, or they cannot be had.
        """
        self._options = options
        self._logs = Logs([arm.log_folder for arm in arms])
        self._placement = Placement("workers", lambda node: node.fits(options.worker_cpus))
        self._waiting = Waiting(options.worker_cpus)
        self._hidden = [os.path.abspath(entry) for entry in {sys.path[0], os.getcwd()}]
        self._workers: list[RemoteWorker] = []
        self._failed_starts: Counter[str] = Counter()
        self._connection = ExitStack()
        self._replicas: RayReplicas | None = None
        episodes = sum(len(arm.episodes) for arm in arms)
        every = replace(options, workers=options.workers or episodes or 1)
        if options.policy_replicas and episodes:
            with ExitStack() as connection:  # which tells how many there can be
                self._connect(connection)
                self._replicas = RayReplicas(options, self._logs, self._hidden)
                self._dispatch = Dispatch(arms, every, shared_disk=False, replicas=self._replicas.offered())
                self._connection = connection.pop_all()
        else:
            self._dispatch = Dispatch(arms, replace(every, policy_replicas=0), shared_disk=False)

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

    def _connect(self, held: ExitStack) -> None:
        room = self._options.workers * self._options.worker_cpus
        held.enter_context(cluster.connected(self._options.cluster, max(1, round(room))))

    def _start(self) -> None:
        if self._replicas is None:
            self._connect(self._connection)
        self._made_of = made_of(world.suite for world in self._dispatch.plan.worlds)
        self._start_what_fits()

    def _start_what_fits(self) -> None:
        """Start as many workers as are wanted; of a cluster that grows more and more, if that was asked for."""
        wanted = self._options.workers or max(1, self._placement.room())
        for number in range(len(self._workers), min(wanted, self._dispatch.workers)):
            self._workers.append(self._worker(number))

    def _turn(self) -> None:
        """One turn of the loop."""
        calls: dict[Any, RemoteWorker | RayReplica] = {
            worker.call: worker for worker in self._workers if worker.call is not None
        }
        if self._replicas is not None:
            calls |= self._replicas.calls()
        # With queries waiting, only pick up what is there already; else sleep until something happens.
        answered = wait(list(calls), seconds=0.0 if self._dispatch.queries_wait else 0.5) if calls else []
        if answered:
            answered = wait(list(calls), len(calls))
        for call in answered:
            self._hear(calls[call])
        self._dispatch.answer()
        any_ready = any(worker.ready for worker in self._workers)
        if self._waiting.look(any_ready):
            self._look(any_ready)

    def _look(self, any_ready: bool) -> None:
        """The cluster may have grown or shrunk.

        Raises:
            UsageError: no worker is ready, and no node is left for one.
        """
        if not any_ready:
            self._placement.require_any()
        if self._replicas is not None:
            for replica, said in self._replicas.stranded():
                self._dispatch.hear(replica, said)
        if not self._options.workers:
            self._start_what_fits()

    def _hear(self, speaker: RemoteWorker | RayReplica) -> None:
        if isinstance(speaker, RemoteWorker):
            self._hear_worker(speaker)
            return
        try:
            for said in speaker.hear():
                self._dispatch.hear(speaker, said)
        except ray.exceptions.RayError as error:
            speaker.is_gone(error)
            self._dispatch.gone(speaker)

    def _hear_worker(self, worker: RemoteWorker) -> None:
        try:
            heard = worker.heard()
        except ray.exceptions.RayError as error:
            worker.kill()  # it may be out of reach and not gone
            self._lost(worker, "crash", f"the worker {accidents.told(error, worker.hello)}")
            return
        assert not isinstance(heard, PolicyReport)
        if isinstance(heard, Hello):
            self._begin(worker, heard)
        else:
            self._log(worker, heard.printed)
            self._understand(worker, heard)

    def _begin(self, worker: RemoteWorker, hello: Hello) -> None:
        """An actor has come to life: start its process, if its node is as this machine is."""
        problems = self._placement.unlike(hello)
        if problems:
            self._refuse(worker, problems)
            return
        number, fit = self._placement.put(worker.number, hello.node)
        self._log(worker, f"--- worker {worker.number} on {hello.host} ---\n".encode())
        plan = replace(self._dispatch.plan, workers=max(number + 1, min(fit, self._dispatch.workers)))
        worker.begin(Begin(number, plan, self._made_of, os.getcwd()))

    def _understand(self, worker: RemoteWorker, report: Report) -> None:
        message = report.message
        if isinstance(message, Ask):
            assert worker.assignment is not None
            self._dispatch.ask(worker.assignment, message.query, worker.tell)
        elif isinstance(message, Done):
            self._finish(worker, message)
        elif isinstance(message, Lost):
            self._lost(worker, message.kind, message.why)
        elif isinstance(message, Ready):
            self._started(worker)
            self._dispatch.ready(worker.number, message.prepared)
            self._hand_out(worker)
        elif isinstance(message, Alive):
            self._hand_out(worker)
        elif isinstance(message, Failed):
            self._refuse(worker, [message.error])
        elif isinstance(message, Unfit):
            self._refuse(worker, message.why)

    def _started(self, worker: RemoteWorker) -> None:
        worker.ready = True
        self._failed_starts[""] = 0
        if worker.hello is not None:
            self._failed_starts[worker.hello.node] = 0

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
        if not worker.ready:
            self._has_not_started(worker, why)
        if worker.assignment is not None:
            self._dispatch.lose(worker.assignment, kind, why)
        self._replace(worker)
        self._wake_idle()

    def _has_not_started(self, worker: RemoteWorker, why: str) -> None:
        """One has died before it was ready; where none ever is, there is to be none.

        Raises:
            RunAborted: there is no other node.
        """
        node = worker.hello.node if worker.hello is not None else ""
        self._failed_starts[node] += 1
        if self._failed_starts[node] <= _STARTS:
            return
        told = f"workers do not start, the last: {why}; see the logs in {self._logs.folder}"
        if worker.hello is None:
            raise RunAborted(told)
        try:
            self._placement.refuse(worker.hello, [told])
        except UsageError as error:
            raise RunAborted(str(error)) from error

    def _refuse(self, worker: RemoteWorker, why: Sequence[str]) -> None:
        """No worker is to be on this worker's node.

        Raises:
            UsageError: there is no other.
        """
        assert worker.hello is not None
        self._placement.refuse(worker.hello, why)
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

    def _log(self, worker: RemoteWorker, printed: bytes) -> None:
        arm = worker.assignment.job.arm if worker.assignment is not None else 0
        self._logs.write(arm, f"worker-{worker.number}.log", printed)

    def _stop_workers(self) -> None:
        workers, self._workers = self._workers, []
        if not workers or not ray.is_initialized():
            return
        try:
            ending = [worker.stop() for worker in workers if worker.hello is not None]
            if ending:
                wait(ending, len(ending), _STOP)
        finally:
            for worker in workers:
                worker.kill()
