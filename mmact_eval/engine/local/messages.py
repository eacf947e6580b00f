"""What the engine and a worker say to each other over a pipe. Plain picklable data; one message, one meaning.

A worker's `Ask` is answered with an `engine.batcher.Answer`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mmact_eval.engine.jobs import Job, Place, WorkerPlan
from mmact_eval.observers.artifacts import Parcel
from mmact_eval.types import EpisodeResult, Query

# engine → worker


@dataclass(frozen=True)
class WorkerConfig:
    """The first message: all a worker needs to know from the start.

    Attributes:
        number: the worker's number, from 0; workers that replace a broken one keep it.
        plan: what it may have to run.
    """

    number: int
    plan: WorkerPlan

    def log_file(self, arm: int = 0) -> str:
        """Where this worker's output goes while it runs an arm, "" if it is left alone."""
        folder = self.plan.arms[arm].log_folder
        return f"{folder}/worker-{self.number}.log" if folder else ""


@dataclass(frozen=True)
class Run:
    """Roll this episode of an arm out."""

    job: Job


@dataclass(frozen=True)
class Stop:
    """No more episodes: close the environments and exit."""


# worker → engine


@dataclass(frozen=True)
class Ready:
    """The worker has started; `prepared` is what it chose (GL backend, device)."""

    prepared: Mapping[str, str]


@dataclass(frozen=True)
class Building:
    """Whether an environment is being built from now on, which may take longer than an episode's limit allows for."""

    under_way: bool


@dataclass(frozen=True)
class Ask:
    """A query for the policy. `sent_at` is `time.monotonic()`, one clock for all processes of a machine."""

    query: Query
    sent_at: float


@dataclass(frozen=True)
class Done:
    """The episode is over.

    Attributes:
        result: what it came to.
        rss_mib: the most memory the worker has had.
        places: what it keeps environments of.
        parcel: the artifacts, where the worker does not share the run folder's disk.
    """

    result: EpisodeResult
    rss_mib: float = 0.0
    places: tuple[Place, ...] = ()
    parcel: Parcel | None = None


@dataclass(frozen=True)
class Failed:
    """The worker cannot start (no GL, say): nothing it could run would work."""

    error: str
    usage: bool
