"""What a worker is told: which environments there are, which arms use them, and what is to be rolled out.

Plain picklable data, whatever brings it to the worker.
"""

from __future__ import annotations

from dataclasses import dataclass

from mmact_eval.observers.artifacts import ObserverFactory
from mmact_eval.protocols import Needs
from mmact_eval.specs import PolicySpec
from mmact_eval.suite import Suite
from mmact_eval.types import Episode

Place = tuple[int, str]
"""What an environment is built for: the number of its world (see `engine.running.worlds_of`) and the task."""


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
        folder: the run folder, for artifacts; "" if the worker does not share the disk that it is on.
        log_folder: where everything goes that a process prints while it runs this arm, C libraries included; "" to
            leave it alone.
    """

    world: int
    suite: Suite
    policy_spec: PolicySpec
    observers: tuple[ObserverFactory, ...] = ()
    folder: str = ""
    log_folder: str = ""


@dataclass(frozen=True)
class WorkerPlan:
    """All that a worker needs to know from the start, but for its number.

    Attributes:
        workers: how many there are.
        arms: what it may be asked to run.
        worlds: the environments of these, all of one plug-in.
        cached_envs: how many environments are kept open.
    """

    workers: int
    arms: tuple[ArmConfig, ...]
    worlds: tuple[World, ...]
    cached_envs: int = 1


@dataclass(frozen=True)
class Job:
    """An episode of an arm.

    Attributes:
        arm: number of the arm, from 0.
        episode: the episode; every arm may have the same.
        world: number of the arm's world. Arms of one world can use the same environments.
    """

    arm: int
    episode: Episode
    world: int = 0

    @property
    def place(self) -> Place:
        """Which environment it needs."""
        return self.world, self.episode.task


@dataclass(frozen=True)
class Assignment:
    """A job in a worker's hands.

    Attributes:
        job: the job.
        attempt: which attempt at it this is, from 1.
        worker: the worker's number.
        timeout: seconds that its environment may be busy, building it and waiting for the policy not counted.
    """

    job: Job
    attempt: int
    worker: int
    timeout: float
