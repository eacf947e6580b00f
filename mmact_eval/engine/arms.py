"""What an engine runs: one arm, or several that share its workers.

An arm is a policy on a suite with its own results, log and end. Nothing that happens to one (errors, a policy that
hangs, a full disk) changes what another's episodes come to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mmact_eval.engine.batcher import PolicyBatcher
from mmact_eval.engine.error_watch import ErrorWatch
from mmact_eval.engine.local.messages import ArmConfig, World
from mmact_eval.engine.options import EngineOptions, EngineReport
from mmact_eval.engine.scheduler import Job
from mmact_eval.errors import MmactEvalError
from mmact_eval.protocols import Needs, Observer, Policy
from mmact_eval.suite import Suite
from mmact_eval.types import Episode, EpisodeResult

_NOT_THE_ENVIRONMENTS = ("episodes", "max_steps", "replan", "episode_timeout", "disturbance")
"""Fields of a protocol that the rollout loop, the engine or a wrapper of the environment sees to."""


@dataclass(frozen=True)
class EngineArm:
    """One policy on one suite.

    Attributes:
        suite: what is evaluated; its environment plug-in is loaded in the workers.
        policy: answers in this process.
        episodes: what is to be run.
        on_result: called once for each episode, as they finish; true says that no more have to be run. An
            `MmactEvalError` that it raises ends the arm.
        observers: picklable; each makes an observer for an episode, in the worker.
        watched: cameras that the observers look at; the policy sees its own alone.
        watched_truth: whether the observers look at the simulator's ground truth; the policy sees it only if it asks.
        on_ready: told of each worker what it chose (GL backend), when it is ready; may raise an `MmactEvalError` to
            end the arm.
        log_folder: where the output of workers goes while they run this arm, and what is logged while its policy is
            called; "" to leave both alone.
        model: the policy that `policy` wraps, if it does; several arms may have the same.
    """

    suite: Suite
    policy: Policy
    episodes: Sequence[Episode]
    on_result: Callable[[EpisodeResult], bool | None]
    observers: Sequence[Callable[[], Observer]] = ()
    watched: Sequence[str] = ()
    watched_truth: bool = False
    on_ready: Callable[[Mapping[str, str]], None] | None = None
    log_folder: str = ""
    model: Policy | None = None

    def same_model(self, other: EngineArm) -> bool:
        """Whether it is answered by the same policy in the end."""
        return (self.model or self.policy) is (other.model or other.policy)

    @property
    def needs(self) -> Needs:
        """What of the environment is looked at."""
        spec = self.policy.spec
        return Needs(tuple(dict.fromkeys((*spec.cameras, *self.watched))), spec.privileged or self.watched_truth)


@dataclass
class RunningArm:
    """An arm while the engine runs.

    Attributes:
        number: its place among the engine's arms.
        asked: the arm.
        world: number of its world.
        batcher: its policy's side.
        errors: says when to stop trying.
        enough: nothing more has to be started.
        problem: why it ended early; what its workers still do is not recorded.
        given_up: tasks given up because of errors, and how many of their episodes were not tried.
        attempts: how often each episode was started.
    """

    number: int
    asked: EngineArm
    world: int
    batcher: PolicyBatcher
    errors: ErrorWatch
    enough: bool = False
    problem: MmactEvalError | None = None
    given_up: dict[str, int] = field(default_factory=dict)
    attempts: dict[Episode, int] = field(default_factory=dict)

    @classmethod
    def of(cls, number: int, asked: EngineArm, world: int, options: EngineOptions) -> RunningArm:
        """The arm before its first episode."""
        log_file = f"{asked.log_folder}/engine.log" if asked.log_folder else ""
        batcher = PolicyBatcher(asked.policy, options.max_batch, options.policy_timeout, log_file)
        return cls(number, asked, world, batcher, ErrorWatch(options.max_errors_in_a_row))

    @property
    def open(self) -> bool:
        """Whether it may start (and try again) episodes."""
        return not self.enough and self.problem is None

    @property
    def jobs(self) -> list[Job]:
        """Its episodes as jobs."""
        return [Job(self.number, episode, self.world) for episode in self.asked.episodes]

    @property
    def config(self) -> ArmConfig:
        """What a worker has to know of it."""
        spec = replace(self.asked.policy.spec, config={})  # which may hold what no worker can load
        return ArmConfig(self.world, self.asked.suite, spec, tuple(self.asked.observers), self.asked.log_folder)

    def report(self, of_the_pool: EngineReport) -> EngineReport:
        """What the engine can say about itself and this arm."""
        return replace(of_the_pool, given_up=self.given_up, batches=self.batcher.batches, queries=self.batcher.answered)


def worlds_of(arms: Sequence[EngineArm]) -> tuple[list[int], tuple[World, ...]]:
    """Which arms can use the same environments: those whose policies look at the same, on suites that agree but for
    what the environment does not see to. It is built for the largest of their step limits.

    Returns:
        The number of each arm's world, and the worlds.
    """
    numbers: list[int] = []
    worlds: list[World] = []
    for arm in arms:
        number = next((k for k, world in enumerate(worlds) if _same(world, arm)), len(worlds))
        numbers.append(number)
        if number == len(worlds):
            worlds.append(World(arm.suite, arm.needs))
        elif arm.suite.protocol.max_steps > worlds[number].suite.protocol.max_steps:
            worlds[number] = World(arm.suite, arm.needs)
    return numbers, tuple(worlds)


def _same(world: World, arm: EngineArm) -> bool:
    return world.needs == arm.needs and _as_built(world.suite) == _as_built(arm.suite)


def _as_built(suite: Suite) -> dict[str, object]:
    asked = suite.model_dump()
    return asked | {"protocol": {k: v for k, v in asked["protocol"].items() if k not in _NOT_THE_ENVIRONMENTS}}
