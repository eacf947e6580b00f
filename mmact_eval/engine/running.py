"""Arms while an engine runs, and which of them can use the same environments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from mmact_eval.engine.arms import EngineArm
from mmact_eval.engine.batcher import PolicyBatcher, PolicySide
from mmact_eval.engine.jobs import ArmConfig, Job, World
from mmact_eval.engine.limits.error_watch import ErrorWatch
from mmact_eval.engine.options import EngineOptions, EngineReport
from mmact_eval.errors import MmactEvalError
from mmact_eval.suite import Suite
from mmact_eval.types import Episode

_NOT_THE_ENVIRONMENTS = ("episodes", "max_steps", "replan", "episode_timeout", "disturbance")
"""Fields of a protocol that the rollout loop, the engine or a wrapper of the environment sees to."""


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
    batcher: PolicySide
    errors: ErrorWatch
    enough: bool = False
    problem: MmactEvalError | None = None
    given_up: dict[str, int] = field(default_factory=dict)
    attempts: dict[Episode, int] = field(default_factory=dict)

    @classmethod
    def of(cls, number: int, asked: EngineArm, world: int, options: EngineOptions) -> RunningArm:
        """The arm before its first episode, its policy in this process."""
        batcher = PolicyBatcher(asked.policy, options.max_batch, options.policy_timeout, policy_log(asked))
        return cls(number, asked, world, batcher, ErrorWatch(options.max_errors_in_a_row))

    @property
    def open(self) -> bool:
        """Whether it may start (and try again) episodes."""
        return not self.enough and self.problem is None

    @property
    def jobs(self) -> list[Job]:
        """Its episodes as jobs."""
        return [Job(self.number, episode, self.world) for episode in self.asked.episodes]

    def config(self, shared_disk: bool) -> ArmConfig:
        """What a worker has to know of it; nothing of this machine's folders unless it shares the disk."""
        asked = self.asked
        spec = replace(asked.policy.spec, config={})  # which may hold what no worker can load
        folders = (asked.folder, asked.log_folder) if shared_disk else ("", "")
        return ArmConfig(self.world, asked.suite, spec, tuple(asked.observers), *folders)

    def report(self, of_the_pool: EngineReport) -> EngineReport:
        """What the engine can say about itself and this arm."""
        return replace(of_the_pool, given_up=self.given_up, batches=self.batcher.batches, queries=self.batcher.answered)


def policy_log(arm: EngineArm) -> str:
    """Where the package's log goes while an arm's policy is called, "" to leave it alone."""
    return f"{arm.log_folder}/engine.log" if arm.log_folder else ""


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
