"""Is our environment upstream's? Run both on the same episodes and compare every bit.

The upstream loop runs the episodes in order; ours runs them in reverse, on one environment, so that agreement also
shows that a scene does not depend on what ran before it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, get_args

import numpy as np
from numpy.typing import NDArray

from mmact_eval.envs.libero import catalog
from mmact_eval.protocols import Needs, Task
from mmact_eval.suite import SeedMode, Suite
from mmact_eval.types import Episode, Observation, derive_seed

if TYPE_CHECKING:
    from mmact_eval.envs.libero.checks.reference import Trace
    from mmact_eval.envs.libero.env import LiberoEnv

    MakeEnv = Callable[[Suite, Task, Needs], LiberoEnv]

CHUNK = 10


@dataclass(frozen=True)
class VerifyRow:
    """The comparison of one task in one seed mode.

    Attributes:
        task, seed_mode, episodes: what was compared.
        images_equal: every pixel of every camera after settling and after each chunk.
        states_equal: every state vector at the same moments.
        final_equal: body poses and the whole simulator state at the end.
        scene_equal: body poses and joint positions right after the reset.
        detail: largest absolute difference of whatever differs; "" if nothing does.
        seconds_upstream, seconds_ours: wall-clock time, construction included.
    """

    task: str
    seed_mode: str
    episodes: int
    images_equal: bool
    states_equal: bool
    final_equal: bool
    scene_equal: bool
    detail: str
    seconds_upstream: float
    seconds_ours: float

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return self.images_equal and self.states_equal and self.final_equal and self.scene_equal


@dataclass
class _Differences:
    """Largest absolute difference by what was compared; `inf` for another shape or length."""

    largest: dict[str, float] = field(default_factory=dict)

    def compare(self, kind: str, ours: Sequence[NDArray[np.generic]], theirs: Sequence[NDArray[np.generic]]) -> None:
        self._note(kind, 0.0 if len(ours) == len(theirs) else np.inf)
        for a, b in zip(ours, theirs, strict=False):
            if a.shape != b.shape:
                self._note(kind, np.inf)
            elif a.tobytes() != b.tobytes():
                gap = float(np.max(np.abs(a.astype(np.float64) - b.astype(np.float64))))
                # Different bits of equal value (−0.0, NaN) are a difference too.
                self._note(kind, gap if gap > 0 else float(np.finfo(np.float64).tiny))

    def _note(self, kind: str, gap: float) -> None:
        self.largest[kind] = max(self.largest.get(kind, 0.0), gap)

    def equal(self, kind: str) -> bool:
        return self.largest.get(kind, 0.0) == 0.0

    def __str__(self) -> str:
        return ", ".join(f"{kind} differ by up to {gap:.3g}" for kind, gap in self.largest.items() if gap)


def smooth_actions(steps: int, *parts: object) -> NDArray[np.float32]:
    """(steps, 7) float32 of a slow random walk within [-1, 1], the gripper open or shut for a while at a time."""
    generator = np.random.default_rng(derive_seed("verify", *parts))
    walk = np.cumsum(generator.normal(0.0, 0.25, (steps, 7)), axis=0)
    actions: NDArray[np.float64] = np.sin(walk + generator.uniform(-np.pi, np.pi, 7))
    actions[:, 6] = np.where(actions[:, 6] < 0, -1.0, 1.0)
    return actions.astype(np.float32)


def run_ours(env: LiberoEnv, episode: Episode, actions: NDArray[np.float32], chunk: int = CHUNK) -> Trace:
    """Run one episode as the engine does and record what `reference.UpstreamLoop` records."""
    from mmact_eval.envs.libero.checks.reference import Trace

    looks: list[Observation] = [env.begin(episode)]
    scene = (*env.simulation.fixed_poses(), env.scene_state)
    steps, success = 0, False
    for start in range(0, len(actions), chunk):
        observation, _, success, _, info = env.step_chunk(actions[start : start + chunk])
        looks.append(observation)
        steps += info["steps"]
        if success:
            break
    return Trace(
        scene=scene,
        images=tuple(dict(look.images) for look in looks),
        states=tuple(dict(look.state) for look in looks),
        final=(*env.simulation.fixed_poses(), env.simulation.flat_state()),
        steps=steps,
        success=success,
    )


def verify_task(
    make: MakeEnv,
    suite: Suite,
    task: Task,
    *,
    episodes: int = 2,
    steps: int = 20,
    seed: int = 7,
    seed_modes: Sequence[SeedMode] = get_args(SeedMode),
) -> Iterator[VerifyRow]:
    """Compare one task in both seed modes.

    Args:
        make: makes our environment.
        suite: its protocol is used, whatever its seed mode.
        task: one of its tasks.
        episodes: init states 0 … episodes − 1.
        steps: actions an episode.
        seed: the run's seed.
        seed_modes: which to compare.
    """
    for mode in seed_modes:
        moded = suite.model_copy(update={"protocol": suite.protocol.model_copy(update={"seed_mode": mode})})
        todo = {
            Episode(suite.name, task.name, index, seed): smooth_actions(steps, suite.name, task.name, index)
            for index in range(min(episodes, task.init_states))
        }
        start = time.perf_counter()
        ours = _ours(make, moded, task, todo)
        middle = time.perf_counter()
        theirs = _theirs(moded, task, todo, seed)
        end = time.perf_counter()
        yield _row(task.name, mode, ours, theirs, seconds_upstream=end - middle, seconds_ours=middle - start)


def _ours(make: MakeEnv, suite: Suite, task: Task, todo: Mapping[Episode, NDArray[np.float32]]) -> dict[Episode, Trace]:
    env = make(suite, task, Needs(cameras=suite.protocol.cameras))
    try:
        return {episode: run_ours(env, episode, actions) for episode, actions in reversed(list(todo.items()))}
    finally:
        env.close()


def _theirs(suite: Suite, task: Task, todo: Mapping[Episode, NDArray[np.float32]], seed: int) -> dict[Episode, Trace]:
    from mmact_eval.envs.libero.checks.reference import UpstreamLoop

    args = catalog.LiberoArgs.of(suite)
    loop = UpstreamLoop(suite, catalog.find_task(args.benchmark, task.name), seed)
    try:
        return {episode: loop.run(episode, actions, CHUNK) for episode, actions in todo.items()}
    finally:
        loop.close()


def _row(
    task: str,
    mode: SeedMode,
    ours: Mapping[Episode, Trace],
    theirs: Mapping[Episode, Trace],
    *,
    seconds_upstream: float,
    seconds_ours: float,
) -> VerifyRow:
    differences = _Differences()
    for episode, upstream in theirs.items():
        own = ours[episode]
        differences.compare("scenes", own.scene, upstream.scene)
        differences.compare("images", _flat(own.images), _flat(upstream.images))
        differences.compare("states", _flat(own.states), _flat(upstream.states))
        differences.compare("final states", own.final, upstream.final)
        ends = [np.array([trace.steps, trace.success]) for trace in (own, upstream)]
        differences.compare("final states", ends[:1], ends[1:])
    return VerifyRow(
        task=task,
        seed_mode=mode,
        episodes=len(theirs),
        images_equal=differences.equal("images"),
        states_equal=differences.equal("states"),
        final_equal=differences.equal("final states"),
        scene_equal=differences.equal("scenes"),
        detail=str(differences),
        seconds_upstream=seconds_upstream,
        seconds_ours=seconds_ours,
    )


def _flat(looks: Sequence[Mapping[str, NDArray[np.generic]]]) -> list[NDArray[np.generic]]:
    return [look[name] for look in looks for name in sorted(look)]
