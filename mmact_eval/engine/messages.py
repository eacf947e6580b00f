"""What the engine and a worker say to each other over a pipe. Plain picklable data; one message, one meaning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mmact_eval.protocols import Needs, Observer
from mmact_eval.specs import PolicySpec
from mmact_eval.suite import Suite
from mmact_eval.types import Episode, EpisodeResult, PolicyOutput, Query


@dataclass(frozen=True)
class WorkerConfig:
    """All a worker needs to know from the start.

    Attributes:
        number: the worker's number, from 0; workers that replace a broken one keep it.
        workers: how many there are.
        suite: what is evaluated.
        needs: what the policy looks at.
        policy_spec: the spec of the policy that answers the queries.
        observers: each is called once an episode and makes an observer.
        cached_envs: how many environments are kept open.
        log_file: where everything the process prints goes, C libraries included; "" to leave it alone.
    """

    number: int
    workers: int
    suite: Suite
    needs: Needs
    policy_spec: PolicySpec
    observers: tuple[Callable[[], Observer], ...] = ()
    cached_envs: int = 1
    log_file: str = ""


# engine → worker


@dataclass(frozen=True)
class Run:
    """Roll this episode out."""

    episode: Episode


@dataclass(frozen=True)
class Answer:
    """The policy's answer to the worker's query, or why there is none."""

    output: PolicyOutput | None
    act_seconds: float = 0.0
    error: str = ""
    contract: bool = False


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
    """An environment is being built, which may take longer than an episode's limit allows for."""

    task: str


@dataclass(frozen=True)
class Built:
    """It is there and the episode begins."""

    task: str


@dataclass(frozen=True)
class Ask:
    """A query for the policy. `sent_at` is `time.monotonic()`, one clock for all processes of a machine."""

    query: Query
    sent_at: float


@dataclass(frozen=True)
class Done:
    """The episode is over. `rss_mib` is the most memory the worker has had, `tasks` the environments it keeps."""

    result: EpisodeResult
    rss_mib: float = 0.0
    tasks: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Failed:
    """The worker cannot start (no GL, say): nothing it could run would work."""

    error: str
    usage: bool
