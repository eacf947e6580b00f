"""Compares where a task's objects come to rest here with where they came to rest in the published physics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmact_eval.envs.libero import catalog
from mmact_eval.envs.libero.checks.settled import SEED, TOLERANCE, Scene, free_objects, gaps, not_at_rest, recorded
from mmact_eval.protocols import Needs, Task
from mmact_eval.suite import Suite
from mmact_eval.types import Episode

if TYPE_CHECKING:
    from mmact_eval.envs.libero.env import LiberoEnv

    MakeEnv = Callable[[Suite, Task, Needs], LiberoEnv]

SETTLE_STEPS = 10
"""Of the recordings, and of everybody's protocol."""


@dataclass(frozen=True)
class SettleRow:
    """A task's recorded scenes, put up again.

    Attributes:
        task: its name.
        scenes: how many were compared.
        gap: the largest distance of an object from where it was recorded, m.
        worst: that object, with the init state.
        remarks: what is not at rest, each with its init states.
    """

    task: str
    scenes: int
    gap: float
    worst: str
    remarks: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether every object is where it was recorded."""
        return self.gap <= TOLERANCE


def as_recorded(suite: Suite) -> Suite:
    """The suite under the recordings' protocol, on whatever physics is installed."""
    protocol = suite.protocol.model_copy(
        update={"settle_steps": SETTLE_STEPS, "seed_mode": "episode", "disturbance": None}
    )
    return suite.model_copy(update={"protocol": protocol, "env_args": {**suite.env_args, "physics": "any"}})


def check_task(make: MakeEnv, suite: Suite, task: Task) -> Iterator[SettleRow]:
    """Compare one task, if any of its scenes was recorded; 5 s, most of it compilation.

    Args:
        make: makes our environment, which `verify` holds against upstream's on the same physics.
        suite: its benchmark is what counts, whatever its protocol.
        task: one of its tasks.
    """
    scenes = recorded(catalog.LiberoArgs.of(suite).benchmark, task.name)
    if not scenes:
        return
    suite = as_recorded(suite)
    env = make(suite, task, Needs())
    try:
        found = [_compare(env, Episode(suite.name, task.name, index, SEED), scene) for index, scene in scenes.items()]
    finally:
        env.close()
    gap, worst = max((gap, worst) for gap, worst, _ in found)
    states: dict[str, list[str]] = {}
    for index, (*_, remarks) in zip(scenes, found, strict=True):
        for remark in remarks:
            states.setdefault(remark, []).append(str(index))
    said = tuple(f"{remark} (init state {', '.join(where)})" for remark, where in states.items())
    yield SettleRow(task.name, len(found), gap, worst, said)


def _compare(env: LiberoEnv, episode: Episode, scene: Scene) -> tuple[float, str, tuple[str, ...]]:
    env.begin(episode)
    objects = free_objects(env.simulation.problem)
    gap, name = max((gap, name) for name, gap in gaps(scene, objects))
    return gap, f"{name} (init state {episode.init_state})", not_at_rest(objects)
