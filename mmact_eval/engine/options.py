"""How an engine works, and what it says about itself afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mmact_eval.machine.capacity import usable_cores
from mmact_eval.wording import counted


@dataclass(frozen=True)
class EngineOptions:
    """How to run; none of it changes a result, but for the last.

    Attributes:
        engine: its name (see `mmact-eval list engines`).
        workers: worker processes; 0: as many as there are cores for.
        max_batch: most queries the policy gets at once.
        retries: how often an episode that ended in an error is tried again in a fresh worker.
        policy_timeout: seconds the policy may take for a batch.
        cached_envs: environments each worker keeps open.
        turn: after so many of its episodes a task makes room for the next; 0: the tasks come one after another.
        max_errors_in_a_row: a task whose episodes end in so many errors in a row is given up for now.
        cluster: address of the cluster, for an engine that has one; "" to let it look for one.
        worker_cpus: how many of a cluster's CPUs a worker is counted as.
        policy_replicas: how many processes make the policy and answer queries; 0: this process does; ``auto``: as many
            as there are GPUs for, at least one.
        policy_gpus: of each replica; a fraction if several share one.
        allow_renderer: whether images may be drawn by several renderers; in pixels that differ a little.
    """

    engine: str = "local"
    workers: int = 1
    max_batch: int = 32
    retries: int = 1
    policy_timeout: float = 600.0
    cached_envs: int = 1
    turn: int = 0
    max_errors_in_a_row: int = 5
    cluster: str = ""
    worker_cpus: float = 1.0
    policy_replicas: int | Literal["auto"] = 0
    policy_gpus: float = 1.0
    allow_renderer: bool = False

    @property
    def workers_here(self) -> int:
        """Worker processes on this machine: those asked for, or as many as there are cores for."""
        return self.workers or usable_cores()

    @property
    def without_effect(self) -> list[str]:
        """What was asked for and does nothing, a sentence each, without its stop."""
        found = []
        local = self.engine == EngineOptions.engine
        if local and self.worker_cpus != EngineOptions.worker_cpus:
            found.append(f"--worker-cpus {self.worker_cpus:g} does nothing: it is for --engine ray")
        if not self.policy_replicas and self.policy_gpus not in (0, EngineOptions.policy_gpus):
            found.append(
                f"--policy-gpus {self.policy_gpus:g} does nothing without --policy-replicas: the policy is called in "
                "this process"
            )
        workers = self.workers_here if local else self.workers
        if self.policy_replicas != "auto" and 0 < workers < self.policy_replicas:
            found.append(
                f"{self.policy_replicas} policy replicas for {counted(workers, 'worker')}: no more than {workers} of "
                "them ever work at a time, as a worker has one episode and that one replica"
            )
        return found


@dataclass(frozen=True)
class ReplicaReport:
    """What can be said of a replica of a policy, and of those that took its place.

    Attributes:
        batches, queries: how often its policy was called, and about how many queries, of all arms that it answers.
        busy_seconds: in the policy's calls.
        busy_share: of the time in which it could have been.
        peak_memory_mib: the most memory that its process has had.
        peak_gpu_memory_mib: the most that PyTorch has held on its GPUs; 0 without.
        restarts: how often another process took its place.
        given_up: why none did any more, "" if one did.
    """

    batches: int = 0
    queries: int = 0
    busy_seconds: float = 0.0
    busy_share: float = 0.0
    peak_memory_mib: float = 0.0
    peak_gpu_memory_mib: float = 0.0
    restarts: int = 0
    given_up: str = ""


@dataclass(frozen=True)
class EngineReport:
    """What the engine can say about itself afterwards, to an arm. The first three are of all its workers.

    Attributes:
        prepared: what the workers chose (GL backend, device), by worker number.
        peak_memory_mib: the most memory each worker has had.
        restarts: how many workers were replaced.
        given_up: tasks given up because of errors, and how many of their episodes were not tried.
        batches, queries: how often the policy was called, and about how many queries.
        replicas: of its policy, by number; empty if the engine's process called it.
    """

    prepared: dict[int, dict[str, str]] = field(default_factory=dict)
    peak_memory_mib: dict[int, float] = field(default_factory=dict)
    restarts: int = 0
    given_up: dict[str, int] = field(default_factory=dict)
    batches: int = 0
    queries: int = 0
    replicas: dict[int, ReplicaReport] = field(default_factory=dict)
