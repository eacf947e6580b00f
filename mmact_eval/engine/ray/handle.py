"""The engine's end of a worker: an actor somewhere in the cluster, and what it was told last."""

from __future__ import annotations

import pickle
from collections.abc import Collection, Sequence
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeLabelSchedulingStrategy, NotIn

from mmact_eval.engine.jobs import Assignment, Place
from mmact_eval.engine.ray.messages import Begin, Hello, Report, Told
from mmact_eval.engine.ray.shell import worker_class

_CONCURRENT = 2
"""Calls at once: the engine's, and the one that ends the worker."""


class RemoteWorker:
    """A worker. What it was asked last is answered by `call`; it is told something else only after that.

    Attributes:
        number: names it; one that replaces it keeps the number.
        call: what it has not answered yet, None if it has answered everything.
        hello: where it is, None while Ray has no room for it.
        ready: whether it can work.
        assignment: the job it works on, if any.
        open_places: what it has environments of, the most recently used last.
    """

    def __init__(self, number: int, cpus: float, hidden: Sequence[str], elsewhere: Collection[str] = ()) -> None:
        """Ask Ray for an actor; it comes to life when there is room for it.

        Args:
            number: the worker's.
            cpus: what it is counted as.
            hidden: folders of the engine's path that are not to be on the worker's.
            elsewhere: ids of nodes that it may not be on.
        """
        self.number = number
        self.hello: Hello | None = None
        self.ready = False
        self.assignment: Assignment | None = None
        self.open_places: tuple[Place, ...] = ()
        spread: Any = "SPREAD"
        if elsewhere:
            spread = NodeLabelSchedulingStrategy(hard={"ray.io/node-id": NotIn(*elsewhere)})
        made = ray.remote(num_cpus=cpus, max_concurrency=_CONCURRENT, scheduling_strategy=spread)(worker_class())
        self._actor = made.remote()
        self.call: Any = self._actor.hello.remote(list(hidden))

    def begin(self, begin: Begin) -> None:
        """Have its process started; `call` becomes a `Report`."""
        self.call = self._actor.begin.remote(_pickled(begin))

    def tell(self, told: Told) -> None:
        """Give it a job, an answer, or ask whether it is alive; `call` becomes a `Report`."""
        if isinstance(told, Assignment):
            self.assignment = told
        self.call = self._actor.exchange.remote(_pickled(told))

    def heard(self) -> Hello | Report:
        """What it has answered; it has when `ray.wait` says so.

        Raises:
            ray.exceptions.RayError: it is gone.
        """
        call, self.call = self.call, None
        answer = ray.get(call)
        if isinstance(answer, dict):
            self.hello = Hello.of(answer)
            return self.hello
        report: Report = pickle.loads(answer)
        return report

    def stop(self) -> Any:
        """Ask it to end and clean up; what `ray.wait` can wait for."""
        return self._actor.stop.remote()

    def kill(self) -> None:
        """End it at once."""
        ray.kill(self._actor)


def _pickled(thing: Begin | Told) -> bytes:
    return pickle.dumps(thing, protocol=pickle.HIGHEST_PROTOCOL)
