"""A third party's engine: one episode after another, by a worker that is told what to do and hands back what it made.

The worker is in this process, but nothing of the run folder reaches it, as if it were on another machine.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence

from mmact_eval.engine.arms import EngineArm
from mmact_eval.engine.batcher import Answer
from mmact_eval.engine.dispatch import Dispatch
from mmact_eval.engine.job_runner import JobRunner
from mmact_eval.engine.options import EngineOptions, EngineReport
from mmact_eval.errors import MmactEvalError
from mmact_eval.observers.artifacts import CarriedArtifacts
from mmact_eval.types import Episode, PolicyOutput, Query


class SequentialEngine:
    """See `mmact_eval.engine.interface.Engine`."""

    def __init__(self, arms: Sequence[EngineArm], options: EngineOptions) -> None:
        self._dispatch = Dispatch(arms, options, shared_disk=False)
        self._sent = pickle.dumps(self._dispatch.plan)
        self._worker: JobRunner | None = None

    @property
    def problems(self) -> list[MmactEvalError | None]:
        return self._dispatch.problems

    @property
    def reports(self) -> list[EngineReport]:
        return self._dispatch.reports

    def run(self) -> None:
        try:
            self._dispatch.loop(self._start, self._turn)
        finally:
            if self._worker is not None:
                self._worker.close()

    def _start(self) -> None:
        self._worker = JobRunner(pickle.loads(self._sent), number=0)
        self._dispatch.ready(0, self._worker.prepared)

    def _turn(self) -> None:
        assert self._worker is not None
        self._assignment = self._dispatch.next_job(0, self._worker.places)
        if self._assignment is None:
            return
        with CarriedArtifacts() as artifacts:
            done = pickle.dumps((self._worker.run(self._assignment.job, self, artifacts), artifacts.packed()))
        if not self._dispatch.finish(self._assignment, *pickle.loads(done)):
            self._worker.close()
            self._dispatch.released(0)
            self._start()

    # The policy, as the worker sees it.

    def reset(self, episodes: Sequence[Episode]) -> None:
        pass

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        assert self._assignment is not None
        answers: list[Answer] = []
        for query in queries:
            self._dispatch.ask(self._assignment, query, answers.append)
        while len(answers) < len(queries):
            self._dispatch.answer()
        return [answer.opened() for answer in answers]
