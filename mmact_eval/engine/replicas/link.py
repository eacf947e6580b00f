"""What an engine offers a pool of replicas: to start one, to bring it what it is told, to end it.

What replicas say, the engine brings to `engine.dispatch.Dispatch.hear`; of one that is gone it tells `Dispatch.gone`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mmact_eval.engine.replicas.messages import Told
from mmact_eval.engine.replicas.recipe import PolicyRecipe


@dataclass(frozen=True)
class ReplicaArm:
    """What a replica has to know of an arm.

    Attributes:
        recipe: how its policy is made.
        log_file: where the package's log goes while that is called; "" to leave it alone.
    """

    recipe: PolicyRecipe
    log_file: str = ""


@dataclass(frozen=True)
class ReplicaPlan:
    """All that a replica needs to know from the start, but for its number and its GPUs. Picklable.

    Attributes:
        arms: by number, those that it answers; their policies share one model.
        max_batch: most queries in one call.
        timeout: seconds that a call of the policy may take.
        log_folder: for what the process prints; "" to leave that alone.
        outputs: names of files and arguments that replicas have written, in which they need not agree.
    """

    arms: dict[int, ReplicaArm]
    max_batch: int
    timeout: float
    log_folder: str = ""
    outputs: frozenset[str] = frozenset()


class ReplicaLink(Protocol):
    """A replica that was started: a process behind a pipe, an actor. Used from the engine's thread."""

    def tell(self, message: Told) -> None:
        """Send a message and return at once, however busy the replica is, or stopped; also before it says `Ready`, and
        when it is gone. Messages arrive in order; what has arrived when the policy is free is taken in together
        (`replica.Replica.turn`)."""
        ...

    def kill(self) -> str:
        """End it at once, if it has not ended already; it says nothing from then on.

        Returns:
            How it ended, in words that follow "the replica": ``died of signal 9 (SIGKILL)``.
        """
        ...

    def ask_to_stop(self) -> None:
        """Let it close its policy after what it was told, and end."""
        ...

    def join(self, seconds: float) -> None:
        """Wait for that; then kill it."""
        ...


class StartReplica(Protocol):
    """How an engine starts a replica."""

    def __call__(self, plan: ReplicaPlan, number: int) -> ReplicaLink:
        """Start a replica and return at once.

        Args:
            plan: what it has to know.
            number: which of the pool it is, from 0; one in the place of another keeps it.

        Raises:
            OSError: the machine has nothing left for it.
        """
        ...


@dataclass(frozen=True)
class Replicas:
    """What an engine hands to `engine.dispatch.Dispatch` to have queries answered by replicas.

    Attributes:
        start: starts one.
        count: how many of each model.
        start_seconds: how long one may take to be ready; it may wait for a machine, too, and then this is infinite.
    """

    start: StartReplica
    count: int
    start_seconds: float = 3600.0
