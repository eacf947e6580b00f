"""What a worker does with a job, whatever brings it the job and carries its queries to the policy."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from mmact_eval import registry
from mmact_eval.engine.env_cache import EnvCache
from mmact_eval.engine.jobs import Job, Place, WorkerPlan
from mmact_eval.machine.processes import peak_memory_mib
from mmact_eval.observers.artifacts import Artifacts, FolderArtifacts
from mmact_eval.rollout import run_episode
from mmact_eval.specs import PolicySpec
from mmact_eval.transforms.disturbance import DisturbedEnv
from mmact_eval.types import Episode, EpisodeResult, PolicyOutput, Query

log = logging.getLogger(__name__)


class Answering(Protocol):
    """The policy as a worker sees it: something to ask, be it behind a pipe, an actor or a call."""

    def reset(self, episodes: Sequence[Episode]) -> None:
        """An episode begins, or a stage of it. The engine tells the policy by itself, so this may do nothing."""
        ...

    def act(self, queries: Sequence[Query]) -> Sequence[PolicyOutput]:
        """Answer each query, in order; `engine.batcher.Answer.opened` turns an engine's answer into this.

        Raises:
            PolicyContractError, PolicyFailure: the policy broke its contract or raised.
        """
        ...


class JobRunner:
    """Keeps environments open and rolls episodes out in them. One a process: simulators share a process badly.

    Attributes:
        prepared: what the environment plug-in chose for this process (GL backend, device).
    """

    def __init__(
        self, plan: WorkerPlan, number: int, building: Callable[[bool], None] = lambda under_way: None
    ) -> None:
        """Load the environment plug-in and let it prepare this process.

        Args:
            plan: what may have to be run.
            number: the worker's, from 0; one that replaces a broken one keeps it.
            building: told true before an environment is built, which may take longer than an episode's limit allows
                for, and false when it is there.

        Raises:
            MmactEvalError: it cannot be found, or nothing works here. Exceptions of the plug-in pass through.
        """
        plugin = registry.env_plugin(plan.worlds[0].suite.env)
        self.prepared: Mapping[str, str] = dict(plugin.prepare_process(number, plan.workers))
        self._arms = plan.arms
        self._cache = EnvCache(plugin, plan.worlds, plan.cached_envs, building)

    @property
    def places(self) -> tuple[Place, ...]:
        """What there are environments of, the most recently used last; `Dispatch.next_job` asks for it."""
        return self._cache.places

    def run(self, job: Job, policy: Answering, artifacts: Artifacts | None = None) -> EpisodeResult:
        """Roll an episode out.

        Args:
            job: which one, of which arm.
            policy: answers.
            artifacts: where observers put what they make: `observers.artifacts.CarriedArtifacts`, or None for the arm's
                run folder on a disk that this process shares.

        Returns:
            The result; an exception of the environment or the policy has become an error, never a failure.
        """
        arm = self._arms[job.arm]
        try:
            env = self._cache.get(job.place)
        except Exception as error:
            log.exception("cannot build the environment of %s", job.episode.key)
            text = f"{type(error).__name__}: {error}"
            return EpisodeResult(job.episode, "error", error_kind="environment", error=text)
        protocol = arm.suite.protocol
        if protocol.disturbance is not None:
            env = DisturbedEnv(env, protocol.disturbance)
        door = artifacts or FolderArtifacts(Path(arm.folder))
        observers = [make(door) for make in arm.observers]
        return run_episode(env, _Specified(arm.policy_spec, policy), job.episode, protocol, observers)

    def peak_memory_mib(self) -> float:
        """The most memory that this process and those of its simulators have had."""
        return peak_memory_mib() + self._cache.peak_memory_mib()

    def close(self) -> None:
        """Close the environments."""
        self._cache.close()


class _Specified:
    """What answers, with the spec of the policy that it stands for."""

    def __init__(self, spec: PolicySpec, policy: Answering) -> None:
        self.spec = spec
        self.reset = policy.reset
        self.act = policy.act
