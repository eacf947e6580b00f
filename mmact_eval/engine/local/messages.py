"""What the engine and a worker say to each other over a pipe. Plain picklable data; one message, one meaning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mmact_eval.engine.scheduler import Job, Place
from mmact_eval.protocols import Needs, Observer
from mmact_eval.specs import PolicySpec
from mmact_eval.suite import Suite
from mmact_eval.types import EpisodeResult, PolicyOutput, Query


@dataclass(frozen=True)
class World:
    """Environments of one kind, one for each task.

    Attributes:
        suite: what they are built for.
        needs: what of them is looked at.
    """

    suite: Suite
    needs: Needs


@dataclass(frozen=True)
class ArmConfig:
    """What a worker knows of an arm.

    Attributes:
        world: which of the worlds its episodes take place in.
        suite: what is evaluated; the world's but for what no environment sees to.
        policy_spec: the spec of the policy that answers the queries.
        observers: each is called once an episode and makes an observer.
        log_folder: where everything goes that the process prints while it runs this arm, C libraries included; "" to
            leave it alone.
    """

    world: int
    suite: Suite
    policy_spec: PolicySpec
    observers: tuple[Callable[[], Observer], ...] = ()
    log_folder: str = ""


@dataclass(frozen=True)
class WorkerConfig:
    """All a worker needs to know from the start.

    Attributes:
        number: the worker's number, from 0; workers that replace a broken one keep it.
        workers: how many there are.
        arms: what it may be asked to run.
        worlds: the environments of these, all of one plug-in.
        cached_envs: how many environments are kept open.
    """

    number: int
    workers: int
    arms: tuple[ArmConfig, ...]
    worlds: tuple[World, ...]
    cached_envs: int = 1

    def log_file(self, arm: int = 0) -> str:
        """Where this worker's output goes while it runs an arm, "" if it is left alone."""
        folder = self.arms[arm].log_folder
        return f"{folder}/worker-{self.number}.log" if folder else ""


# engine → worker


@dataclass(frozen=True)
class Run:
    """Roll this episode of an arm out."""

    job: Job


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


@dataclass(frozen=True)
class Built:
    """It is there and the episode begins."""


@dataclass(frozen=True)
class Ask:
    """A query for the policy. `sent_at` is `time.monotonic()`, one clock for all processes of a machine."""

    query: Query
    sent_at: float


@dataclass(frozen=True)
class Done:
    """The episode is over. `rss_mib` is the most memory the worker has had, `places` what it keeps environments of."""

    result: EpisodeResult
    rss_mib: float = 0.0
    places: tuple[Place, ...] = ()


@dataclass(frozen=True)
class Failed:
    """The worker cannot start (no GL, say): nothing it could run would work."""

    error: str
    usage: bool
