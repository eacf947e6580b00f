"""Which nodes workers may be on, how many there should be, and who is a worker's neighbour."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping, Sequence

from mmact_eval import __version__
from mmact_eval.engine.ray import cluster
from mmact_eval.engine.ray.messages import Hello
from mmact_eval.errors import UsageError

_LOOK = 2.0
"""Seconds between two looks at the cluster."""

_PATIENCE = 30.0
"""Seconds without any worker after which it is said what they wait for."""


class Placement:
    """What the engine knows of the cluster's nodes. Ray decides where a worker is; this says where not.

    Attributes:
        refused: ids of nodes that give other results than this machine would, or none.
    """

    def __init__(self, worker_cpus: float, workers: int) -> None:
        """
        Args:
            worker_cpus: what a worker is counted as.
            workers: how many were asked for; 0 for as many as there are CPUs for.
        """
        self.refused: dict[str, str] = {}
        self._worker_cpus = worker_cpus
        self._asked = workers
        self._places: dict[int, tuple[str, int]] = {}
        self._looked_at = self._began = time.monotonic()
        self._told = False

    def wanted(self) -> int:
        """How many workers there should be now."""
        if self._asked:
            return self._asked
        fit = sum(node.fits(self._worker_cpus) for node in cluster.nodes() if node.identity not in self.refused)
        return max(1, fit)

    def look(self, any_ready: bool) -> bool:
        """Whether it is time to see if more workers are wanted; says now and then what a run without any waits for."""
        now = time.monotonic()
        if now - self._looked_at < _LOOK:
            return False
        self._looked_at = now
        if any_ready:
            self._began = now
        elif now - self._began > _PATIENCE and not self._told:
            self._told = True
            cluster.say(
                f"Ray has no worker ready yet: each waits for a node with {self._worker_cpus:g} free CPUs "
                "(--worker-cpus). They begin as soon as there is one."
            )
        return not self._asked

    def unlike(self, hello: Hello, made_of: Mapping[str, str]) -> list[str]:
        """Why no worker can be where an actor has come to life, from what it finds there; empty if one can."""
        if hello.problem:
            return [f"mmact-eval cannot be imported there ({hello.problem})"]
        if hello.version != __version__:
            return [f"mmact-eval {__version__} here, {hello.version} there"]
        return []

    def put(self, worker: int, node: str) -> tuple[int, int]:
        """A worker is on this node.

        Returns:
            Its number among those there, from 0, and how many there may be.
        """
        self.leave(worker)
        taken = {number for where, number in self._places.values() if where == node}
        number = next(k for k in range(len(taken) + 1) if k not in taken)
        self._places[worker] = (node, number)
        fits = next((one.fits(self._worker_cpus) for one in cluster.nodes() if one.identity == node), 1)
        return number, max(number + 1, min(fits, self._asked or fits))

    def leave(self, worker: int) -> None:
        """A worker is gone."""
        self._places.pop(worker, None)

    def refuse(self, hello: Hello, why: Sequence[str]) -> None:
        """No worker is to be on this node any more; it is said once.

        Raises:
            UsageError: that leaves none.
        """
        known = hello.node in self.refused
        alive = cluster.nodes()
        address = next((f" ({node.address})" for node in alive if node.identity == hello.node), "")
        line = f"Ray node {hello.host}{address} is left out: {'; '.join(why)}"
        self.refused[hello.node] = line
        if all(node.identity in self.refused for node in alive if node.fits(self._worker_cpus)):
            raise UsageError(self._nobody(hello, why))
        if not known:
            cluster.say(line)

    def _nobody(self, hello: Hello, why: Sequence[str]) -> str:
        if len(self.refused) == 1 and hello.host == platform.node():  # a machine alone
            return "; ".join(why)
        return "\n".join(
            [*self.refused.values(), "No node of the Ray cluster is left; install the same on all of them."]
        )
