"""Which nodes workers, or replicas of a policy, may be on. Ray decides where one is; this says where not."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence

from mmact_eval import __version__
from mmact_eval.engine.ray import cluster
from mmact_eval.engine.ray.messages import Hello
from mmact_eval.errors import UsageError


class Placement:
    """What the engine knows of the cluster's nodes.

    Attributes:
        refused: ids of nodes that would give other results than this machine, or none, and what was said of them.
    """

    def __init__(self, what: str, fits: Callable[[cluster.Node], int]) -> None:
        """
        Args:
            what: is put there, in words.
            fits: how many of them a node has room for when nothing else runs there.
        """
        self.refused: dict[str, str] = {}
        self._last: tuple[Hello, Sequence[str]] | None = None
        self._what = what
        self._fits = fits
        self._places: dict[int, tuple[str, int]] = {}

    def room(self) -> int:
        """How many fit into the cluster now."""
        return sum(self._fits(node) for node in cluster.nodes() if node.identity not in self.refused)

    def unlike(self, hello: Hello) -> list[str]:
        """Why nothing can be where an actor has come to life, from what it finds there; empty if it can."""
        if hello.problem:
            return [f"mmact-eval cannot be imported there ({hello.problem})"]
        if hello.version != __version__:
            return [f"mmact-eval {__version__} here, {hello.version} there"]
        return []

    def put(self, number: int, node: str) -> tuple[int, int]:
        """This one is on this node.

        Returns:
            Its number among those there, from 0, and how many there may be.
        """
        self.leave(number)
        taken = {among for where, among in self._places.values() if where == node}
        among = next(k for k in range(len(taken) + 1) if k not in taken)
        self._places[number] = (node, among)
        fit = next((self._fits(one) for one in cluster.nodes() if one.identity == node), 1)
        return among, max(among + 1, fit)

    def leave(self, number: int) -> None:
        """This one is gone."""
        self._places.pop(number, None)

    def refuse(self, hello: Hello, why: Sequence[str]) -> None:
        """Nothing is to be on this node any more; it is said once.

        Raises:
            UsageError: that leaves none.
        """
        known = hello.node in self.refused
        alive = cluster.nodes()
        address = next((f" ({node.address})" for node in alive if node.identity == hello.node), "")
        line = f"Ray node {hello.host}{address} is left out for {self._what}: {'; '.join(why)}"
        self.refused[hello.node] = line
        self._last = hello, why
        if all(node.identity in self.refused for node in alive if self._fits(node)):
            nobody = UsageError(self._nobody(hello, why))
            del self.refused[hello.node]  # whoever goes on all the same must be somewhere
            raise nobody
        if not known:
            cluster.say(line)

    def require_any(self) -> None:
        """Check that what waits for a node may hope for one: the last that was not refused may have died since.

        Raises:
            UsageError: all nodes that are there were refused.
        """
        if self._last is not None:
            there = [node.identity for node in cluster.nodes() if self._fits(node)]
            if there and all(identity in self.refused for identity in there):
                raise UsageError(self._nobody(*self._last))

    def _nobody(self, hello: Hello, why: Sequence[str]) -> str:
        if len(self.refused) == 1 and hello.host == platform.node():  # a machine alone
            return "; ".join(why)
        advice = f"No node of the Ray cluster is left for {self._what}; install the same on all of them."
        return "\n".join([*self.refused.values(), advice])
