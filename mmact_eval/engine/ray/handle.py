"""The engine's end of an actor: what it is, where it is, and what it was told last."""

from __future__ import annotations

import pickle
from collections.abc import Collection, Sequence
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeLabelSchedulingStrategy, NotIn

from mmact_eval.engine.jobs import Assignment, Place
from mmact_eval.engine.ray.calls import get
from mmact_eval.engine.ray.messages import Begin, Hello, PolicyReport, Report, Told
from mmact_eval.engine.ray.node import worker as on_node
from mmact_eval.engine.ray.node.shell import actor_class


class RemoteActor:
    """An actor that Ray puts on some node. What it was asked last is answered by `call`; it is told something else only
    after that.

    Attributes:
        call: what it has not answered yet, None if it has answered everything.
        hello: where it is, None while Ray has no room for it.
    """

    def __init__(self, hidden: Sequence[str], elsewhere: Collection[str], **resources: Any) -> None:
        """Ask Ray for an actor; it comes to life when there is room for it.

        Args:
            hidden: folders of the engine's path that are not to be on the actor's.
            elsewhere: ids of nodes that it may not be on.
            resources: what it takes, and how many calls at once it answers.
        """
        self.hello: Hello | None = None
        spread: Any = "SPREAD"
        if elsewhere:
            spread = NodeLabelSchedulingStrategy(hard={"ray.io/node-id": NotIn(*elsewhere)})
        self._actor = ray.remote(scheduling_strategy=spread, **resources)(actor_class()).remote()
        self.call: Any = self._actor.hello.remote(list(hidden))

    def heard(self) -> Hello | Report | PolicyReport:
        """What it has answered; it has when `ray.wait` says so.

        Raises:
            ray.exceptions.RayError: it is gone.
        """
        call, self.call = self.call, None
        answer = get(call)
        if isinstance(answer, dict):
            self.hello = Hello(**answer)
            return self.hello
        report: Report | PolicyReport = pickle.loads(answer)
        return report

    def stop(self) -> Any:
        """Ask it to end and clean up; what `ray.wait` can wait for."""
        return self._actor.stop.remote()

    def kill(self) -> None:
        """End it at once."""
        ray.kill(self._actor)

    def _begin(self, module: str, message: Any) -> None:
        """Make something of it; `call` becomes a `Report`."""
        self.call = self._actor.begin.remote(module, pickled(message))

    def _exchange(self, message: Any) -> None:
        """Tell it something; `call` becomes a `Report`."""
        self.call = self._actor.exchange.remote(pickled(message))


class RemoteWorker(RemoteActor):
    """A worker.

    Attributes:
        number: names it; one that replaces it keeps the number.
        ready: whether it can work.
        assignment: the job it works on, if any.
        open_places: what it has environments of, the most recently used last.
    """

    def __init__(self, number: int, cpus: float, hidden: Sequence[str], elsewhere: Collection[str] = ()) -> None:
        """
        Args:
            number: the worker's.
            cpus: what it is counted as.
            hidden, elsewhere: see `RemoteActor`.
        """
        # Two calls at once: the engine's, and the one that ends the worker.
        super().__init__(hidden, elsewhere, num_cpus=cpus, max_concurrency=2)
        self.number = number
        self.ready = False
        self.assignment: Assignment | None = None
        self.open_places: tuple[Place, ...] = ()

    def begin(self, begin: Begin) -> None:
        """Have its process started."""
        self._begin(on_node.__name__, begin)

    def tell(self, told: Told) -> None:
        """Give it a job, an answer, or ask whether it is alive."""
        if isinstance(told, Assignment):
            self.assignment = told
        self._exchange(told)


def pickled(message: Any) -> bytes:
    """Not by Ray, which would share arrays that may not be written to."""
    return pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
