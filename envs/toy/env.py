"""The toy as a `gymnasium.Env` that also implements `mmact_eval.protocols.Env`."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmact_eval.envs.toy.args import ToyArgs
from mmact_eval.envs.toy.stages import COLOURS, Stages, instruction
from mmact_eval.envs.toy.world import Scene, draw, make_scene, move
from mmact_eval.errors import UsageError
from mmact_eval.gym_env import GymEnv, text_space
from mmact_eval.protocols import Needs, Task
from mmact_eval.specs import EnvSpec
from mmact_eval.suite import Suite
from mmact_eval.types import Episode, Observation


class ToyEnv(GymEnv):
    """A 2-D point reacher.

    The engine uses `begin` and `step_chunk`, other people `reset` and `step`, which `GymEnv` writes: the same world
    behind both. Actions are (2,) float32 in [-1, 1], values outside are clipped. The reward is 1 at success (of
    each stage, where there are several) and else 0; an episode terminates at success and is truncated after the
    protocol's ``max_steps``, or the ``stage_steps`` of a stage.

    Attributes:
        renders: how many camera images were drawn for observations; unseen ones must not be.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012  # as Gymnasium declares it

    def __init__(self, interface: EnvSpec, suite: Suite, task: Task, needs: Needs, args: ToyArgs) -> None:
        colours = list(COLOURS)[: None if suite.protocol.stages > 1 else 1]
        words = text_space([instruction(task.name, colour) for colour in colours])
        super().__init__(suite, task, needs, interface, state_limits=2.0, instructions=words)
        self.renders = 0
        self._steps = 0
        self._scene: Scene
        self._protocol, self._args = suite.protocol, args
        self._start(Episode(suite.name, task.name, 0, 0))

    def begin(self, episode: Episode) -> Observation:
        """Put the scene up, let it settle, look. See `mmact_eval.protocols.Env`.

        Raises:
            UsageError: the task has no such init state.
        """
        if not 0 <= episode.init_state < self.task.init_states:
            raise UsageError(
                f"{episode.key}: the task has the init states 0 to {self.task.init_states - 1}; ask for fewer episodes"
            )
        self._start(episode)
        for _ in range(self._protocol.settle_steps):
            self._advance(np.zeros(self.interface.action.dim))
        return self._observe()

    def step_chunk(self, actions: NDArray[np.float32]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Execute a (T, 2) chunk up to success or the step limit and draw only what comes after it."""
        done = 0
        for action in actions:
            if self._args.fault and self._steps == 0 and self._args.strike(self._episode.init_state):
                self._position = np.full(2, np.nan)
            self._advance(action)
            self._steps += 1
            done += 1
            solved = self._success
            goes_on = self._stages.step(solved)
            if solved or self._out_of_steps:
                break
        success = solved and not goes_on
        truncated = not success and self._out_of_steps
        info: dict[str, Any] = {"steps": done, "success": success}
        if self._protocol.stages > 1:
            info |= {"stages": self._stages.attempted, "interrupted": goes_on}
        if goes_on:
            self._scene = self._stages.in_force(self._scene)
        return self._observe(), float(solved), success, truncated, info

    def disturb(self, rng: np.random.Generator, metres: float) -> str:
        """Displace the target; it stays within the square. See `mmact_eval.optional.Disturbs`."""
        angle = rng.uniform(0.0, 2.0 * np.pi)
        moved = self._scene.target + metres * np.array([np.cos(angle), np.sin(angle)])
        self._scene = replace(self._scene, target=np.clip(moved, -1.0, 1.0))
        return f"target moved by {metres:g} m towards {np.degrees(angle):.0f}°"

    def scene_hash(self) -> str:
        """blake2b over what the reset decided."""
        scene = self._scene_at_reset
        gap = np.nan if scene.gap is None else scene.gap
        return _digest(scene.start, self._stages.targets, np.array([gap, scene.tolerance]))

    def state_hash(self) -> str:
        """blake2b over what can change, on top of the scene."""
        under_way = [len(self._stages.attempted), self._stages.attempted[-1].steps] if self._protocol.stages > 1 else []
        return _digest(self._position, np.array([float(self._steps), *under_way]), self._scene.target)

    def render(self) -> NDArray[np.uint8]:
        """The (H, W, 3) top view, upright whatever the protocol's rotation."""
        return draw(self._scene, self._position, "top", self._protocol.resolution)

    def close(self) -> None:
        """Nothing to free."""

    def _unseeded(self) -> int:
        return int(self.np_random.integers(2**31))

    def _start(self, episode: Episode) -> None:
        self._episode = episode
        self._scene_at_reset: Scene = make_scene(self.task.name, episode.derived_seed("scene"))
        self._stages = Stages(self.task.name, self._protocol.stages, episode, self._scene_at_reset)
        self._scene = self._stages.in_force(self._scene_at_reset)
        self._position = self._scene.start.copy()
        self._steps = 0

    def _advance(self, action: NDArray[Any]) -> None:
        if self._args.step_seconds:
            time.sleep(self._args.step_seconds)
        self._position = move(self._scene, self._position, np.asarray(action, np.float64))

    @property
    def _out_of_steps(self) -> bool:
        protocol = self._protocol
        of_stage = protocol.stage_steps is not None and self._stages.attempted[-1].steps >= protocol.stage_steps
        return of_stage or self._steps >= protocol.max_steps

    @property
    def _success(self) -> bool:
        return bool(np.linalg.norm(self._position - self._scene.target) < self._scene.tolerance)

    def _observe(self) -> Observation:
        quarter_turns = self._protocol.rotation // 90
        size = self._protocol.resolution
        images = {}
        for camera in self._needs.cameras:
            picture = draw(self._scene, self._position, camera, size)
            images[camera] = np.ascontiguousarray(np.rot90(picture, quarter_turns))
            self.renders += 1
        state = {"position": self._position.copy(), "target": self._scene.target.copy()}
        privileged = {"gap": self._scene.gap} if self._needs.privileged else None
        return Observation(images, state, self._stages.instruction, privileged)


def _digest(*arrays: NDArray[np.float64]) -> str:
    return hashlib.blake2b(b"".join(array.tobytes() for array in arrays), digest_size=16).hexdigest()
