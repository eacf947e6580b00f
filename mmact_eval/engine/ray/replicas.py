"""Replicas of policies on a Ray cluster, an actor each: what the pool tells them, and how what they say comes back."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import ray

from mmact_eval.engine.options import EngineOptions
from mmact_eval.engine.ray import accidents, cluster
from mmact_eval.engine.ray.calls import wait
from mmact_eval.engine.ray.handle import RemoteActor
from mmact_eval.engine.ray.logs import Logs
from mmact_eval.engine.ray.messages import Hello, PolicyReport
from mmact_eval.engine.ray.node import policy as on_node
from mmact_eval.engine.ray.placement import Placement
from mmact_eval.engine.replicas.link import ReplicaLink, ReplicaPlan, Replicas
from mmact_eval.engine.replicas.messages import Problem, Said, Told, Unfit
from mmact_eval.errors import UsageError


class RayReplicas:
    """All replicas of an engine: starts them, and hears those that have something to say."""

    def __init__(self, options: EngineOptions, logs: Logs, hidden: Sequence[str]) -> None:
        """
        Args:
            options: of the engine, which is connected to its cluster.
            logs: where what they print goes.
            hidden: folders of the engine's path that are not to be on theirs.
        """
        self._gpus = options.policy_gpus
        self._logs = logs
        self._hidden = hidden
        self._placement = Placement("the policy", self._fits)
        self._started: list[RayReplica] = []
        asked = options.policy_replicas
        self._asked = asked

    def offered(self) -> Replicas:
        """What `engine.dispatch.Dispatch` is told of them."""
        has_gpus = any(node.gpus for node in cluster.nodes())
        if not has_gpus and self._gpus:
            self._gpus = 0.0
            cluster.say("Ray: no node has a GPU; replicas of the policy use CPUs")
        fit = sum(self._fits(node) for node in cluster.nodes()) if has_gpus and self._gpus else 1
        count = max(1, fit) if self._asked == "auto" else int(self._asked)
        return Replicas(self._start, count, start_seconds=math.inf)

    def calls(self) -> dict[Any, RayReplica]:
        """What they have not answered yet."""
        self._started = [replica for replica in self._started if not replica.over]
        return {replica.call: replica for replica in self._started if replica.call is not None}

    def stranded(self) -> list[tuple[RayReplica, Said]]:
        """Those that wait for a node although none is left, with what they say."""
        waiting = [replica for replica in self._started if replica.waits]
        try:
            if waiting:
                self._placement.require_any()
        except UsageError as error:
            return [(replica, Unfit(f"cannot work: {error}")) for replica in waiting]
        return []

    def _start(self, plan: ReplicaPlan, number: int) -> ReplicaLink:
        replica = RayReplica(plan, number, self._actor, self._placement, self._logs)
        self._started.append(replica)
        return replica

    def _actor(self) -> PolicyActor:
        gpus = self._gpus
        return PolicyActor(self._hidden, self._placement.refused, num_cpus=0, num_gpus=gpus, max_concurrency=1)

    def _fits(self, node: cluster.Node) -> int:
        return int(node.gpus / self._gpus + 1e-6) if self._gpus else 1


class PolicyActor(RemoteActor):
    """The actor of a replica."""

    def begin(self, plan: ReplicaPlan) -> None:
        """Have it make the policy."""
        self._begin(on_node.__name__, plan)

    def tell(self, told: Sequence[Told]) -> None:
        """Have it take all this in, and the policy called."""
        self._exchange(list(told))


class RayReplica:
    """See `engine.replicas.link.ReplicaLink`. One whose node is not as it must be starts again on another.

    Attributes:
        over: whether nothing is to be expected of it any more.
    """

    def __init__(
        self,
        plan: ReplicaPlan,
        number: int,
        make: Callable[[], PolicyActor],
        placement: Placement,
        logs: Logs,
    ) -> None:
        """
        Args:
            plan: what it has to know.
            number: which of its pool it is.
            make: asks for an actor.
            placement: knows the nodes.
            logs: where what it prints goes.
        """
        self.over = False
        self._plan, self._number = plan, number
        self._make, self._placement, self._logs = make, placement, logs
        self._arm = next(iter(plan.arms))
        self._told: list[Told] = []
        self._works = False
        self._how = ""
        self._stopped: Any = None
        self._actor = make()

    @property
    def call(self) -> Any:
        """What it has not answered yet."""
        return self._actor.call

    @property
    def waits(self) -> bool:
        """Whether it is still without a node."""
        return not self.over and self._actor.hello is None

    def hear(self) -> list[Said]:
        """What it says; `call` is answered.

        Raises:
            ray.exceptions.RayError: it is gone.
        """
        heard = self._actor.heard()
        if isinstance(heard, Hello):
            return self._met(heard)
        assert isinstance(heard, PolicyReport)
        self._logs.write(self._arm, f"replica-{self._number}.log", heard.printed)
        said = list(heard.said)
        if not self._works:
            return self._begun(said)
        if self._told or heard.more:
            self._pass_on()
        return said

    def is_gone(self, error: ray.exceptions.RayError) -> None:
        """It has ended by itself."""
        self._how = accidents.told(error, self._actor.hello)
        self.kill()

    def tell(self, message: Told) -> None:
        """See `ReplicaLink`."""
        self._told.append(message)
        if self._works and not self.over and self._actor.call is None:
            self._pass_on()

    def kill(self) -> str:
        """See `ReplicaLink`."""
        if not self.over:
            self.over = True
            self._actor.kill()
        return self._how or "was ended"

    def ask_to_stop(self) -> None:
        """See `ReplicaLink`."""
        if self._told and self._works:
            self._pass_on()
        self._stopped = self._actor.stop()

    def join(self, seconds: float) -> None:
        """See `ReplicaLink`."""
        if self._stopped is not None and not self.over:
            wait([self._stopped], seconds=seconds)
        self.kill()

    def _pass_on(self) -> None:
        told, self._told = self._told, []
        self._actor.tell(told)

    def _met(self, hello: Hello) -> list[Said]:
        problems = self._placement.unlike(hello)
        if problems:
            return self._elsewhere(problems, Problem.of(UsageError("; ".join(problems))))
        self._logs.write(self._arm, f"replica-{self._number}.log", f"--- on {hello.host} ---\n".encode())
        self._actor.begin(self._plan)
        return []

    def _begun(self, said: list[Said]) -> list[Said]:
        for message in said:
            if isinstance(message, Unfit):
                why = message.other_policy.text if message.other_policy else message.how
                return self._elsewhere([why], message.other_policy)
        self._works = True
        if self._told:
            self._pass_on()
        return said

    def _elsewhere(self, why: Sequence[str], problem: Problem | None) -> list[Said]:
        """Start again on another node; if there is none, that is what it says."""
        assert self._actor.hello is not None
        try:
            self._placement.refuse(self._actor.hello, why)
        except UsageError as error:
            return [Unfit(f"cannot work: {error}", Problem.of(error) if problem else None)]
        self._actor.kill()
        self._actor = self._make()
        return []
