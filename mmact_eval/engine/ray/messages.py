"""What the engine and a worker's actor say to each other. Plain data, pickled by the sender.

Not by Ray, which would share arrays that may not be written to. What a worker asks and does is told in the words of the
local engine (`engine.local.messages`), whose process it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmact_eval.engine.batcher import Answer
from mmact_eval.engine.jobs import Assignment, WorkerPlan
from mmact_eval.engine.local.messages import Ask, Done, Failed, Ready
from mmact_eval.engine.replicas.messages import Said

# engine → actor


@dataclass(frozen=True)
class Begin:
    """Start the worker's process.

    Attributes:
        number: the worker's number among those of its node, from 0.
        plan: what it may have to run; its `workers` are those of the node.
        made_of: what the results depend on, as the engine has it (see `engine.ray.node.fitness`).
        folder: the engine's working folder, which is the worker's too where the node has it.
    """

    number: int
    plan: WorkerPlan
    made_of: Mapping[str, str]
    folder: str


Told = Assignment | Answer | None
"""A job, the answer to a query, or nothing: is it alive?"""

# actor → engine


@dataclass(frozen=True)
class Hello:
    """What an actor finds where it was put. Made of plain values, before anything of mmact-eval is imported there.

    Attributes:
        node: Ray's id of the node.
        host: its name.
        version: of mmact-eval, "" if there is none.
        problem: why it cannot be imported, "" if it can.
    """

    node: str
    host: str
    version: str
    problem: str


@dataclass(frozen=True)
class Unfit:
    """The node would give other results, or none; `why` says in what it differs."""

    why: Sequence[str]


@dataclass(frozen=True)
class Lost:
    """The worker's process has died, or was ended because it was late: an error of this kind."""

    kind: str
    why: str


@dataclass(frozen=True)
class Alive:
    """Nothing has happened."""


@dataclass(frozen=True)
class Report:
    """What became of what the actor was told.

    Attributes:
        message: what the worker says, or what is to be said of it.
        printed: what the worker's process has printed since the last report.
    """

    message: Ready | Ask | Done | Failed | Unfit | Lost | Alive
    printed: bytes = b""


@dataclass(frozen=True)
class PolicyReport:
    """What a replica of a policy has done with what it was told.

    Attributes:
        said: to its pool.
        more: whether queries wait still, for which the policy is to be called again.
        printed: what its process has printed since the last report.
    """

    said: Sequence[Said]
    more: bool
    printed: bytes = b""
