"""RoboTwin as a `gymnasium.Env` that can also execute whole chunks and renders only what is looked at."""

from __future__ import annotations

import string
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from mmact_eval.envs.robotwin.args import RobotwinArgs
from mmact_eval.envs.robotwin.catalog import EPISODES, NEEDS_EXPERT, STEP_LIMITS
from mmact_eval.envs.robotwin.client import Simulator
from mmact_eval.envs.robotwin.install import installation
from mmact_eval.envs.robotwin.install.vulkan import Driver
from mmact_eval.envs.robotwin.seeds import manifest as seeds
from mmact_eval.envs.robotwin.seeds.search import find_seeds
from mmact_eval.envs.robotwin.spec import camera_type, env_spec
from mmact_eval.errors import UsageError
from mmact_eval.gym_env import GymEnv
from mmact_eval.lazy_images import LastLook, LazyImages
from mmact_eval.protocols import Needs, Task
from mmact_eval.suite import Suite
from mmact_eval.types import Episode, Observation

_STATE_LIMIT = 100.0
_LONGEST_INSTRUCTION = 2000


class RobotwinEnv(GymEnv):
    """One RoboTwin task in a simulator process of its own.

    An action takes as long as the motion to it does (upstream times it by TOPP); success is checked at every physics
    step. The reward is 1.0 at success, else 0.0; success terminates, the task's step limit truncates. A `reset` looks
    for the accepted seed of its episode if the manifest has none yet.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012

    def __init__(self, suite: Suite, task: Task, needs: Needs, driver: Driver, render_mode: str | None = None) -> None:
        """Start the simulator's process (some seconds).

        Raises:
            UsageError: `needs` names a camera that the suite does not offer, or something is not installed.
            EnvironmentFailure: the simulator does not start.
        """
        words = gymnasium.spaces.Text(_LONGEST_INSTRUCTION, min_length=0, charset=frozenset(string.printable))
        super().__init__(
            suite,
            task,
            needs,
            env_spec(suite),
            state_limits=_STATE_LIMIT,
            instructions=words,
            render_mode=render_mode,
        )
        self._driver = driver
        self._args = RobotwinArgs.parse(suite.env_args)
        self._simulator = Simulator(
            installation.settings(self._args, camera_type(suite, self._args)), self._args.python, driver.variables
        )
        self._limit = min(suite.protocol.max_steps, STEP_LIMITS[task.name])
        self._expert = needs.privileged or task.name in NEEDS_EXPERT
        self._last_look = LastLook()
        self._instruction = task.instruction
        self._scene_hash = ""
        self._privileged: dict[str, Any] | None = None

    def begin(self, episode: Episode) -> Observation:
        """Put the scene of the episode's accepted seed up and observe it.

        Raises:
            UsageError: the episode belongs to another task, or the manifest has no such seed.
            EnvironmentFailure: the simulator broke.
        """
        self._require_own(episode)
        if not 0 <= episode.init_state < EPISODES:
            raise UsageError(f"{episode.key}: init states run from 0 to {EPISODES - 1}.")
        chosen = seeds.accepted_seed(self._args, episode.task, episode.seed, episode.init_state)
        self._last_look.before_the_scene_changes()
        found = self._simulator.ask(
            "set_up",
            name=self.task.name,
            seed=chosen.seed,
            random_seed=seeds.random_seed(self.task.name, chosen.seed),
            expert=self._expert,
        )
        self._instruction = _instruction(chosen, self._args.instructions)
        self._scene_hash = found["scene_hash"]
        self._privileged = None
        if self._needs.privileged:
            played = {"actions": found["actions"], "success": found["success"], "reason": found["reason"]}
            self._privileged = {"expert": played, "scene_seed": chosen.seed}
        return self._observe(found["state"])

    def step_chunk(self, actions: NDArray[np.float32]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Execute actions until success, the step limit or their end; the last observation draws what is looked at.

        Args:
            actions: (T, D) finite numbers, T ≥ 1.

        Returns:
            Observation, reward, terminated (success), truncated (the task's step limit or ``protocol.max_steps``) and
            info with ``steps`` (actions executed) and ``success``.

        Raises:
            PolicyContractError: the actions have another shape or are not finite.
            EnvironmentFailure: the simulator broke.
        """
        chunk = self._checked(actions)
        self._last_look.before_the_scene_changes()
        done = self._simulator.ask("execute", actions=chunk, kind=self._args.action, limit=self._limit)
        success = bool(done["success"])
        truncated = not success and done["total"] >= self._limit
        info = {"steps": done["steps"], "success": success}
        return self._observe(done["state"]), float(success), success, truncated, info

    def scene_hash(self) -> str:
        """Hash of poses, joints, textures and lights right after the reset."""
        return self._scene_hash

    def state_hash(self) -> str:
        """Hash of poses, velocities and joints now."""
        return str(self._simulator.ask("state_hash")["hash"])

    def _prepare(self, episode: Episode) -> None:
        wanted = {(episode.task, episode.seed): episode.init_state + 1}
        find_seeds(self._suite, wanted, 1, lambda text: None, lambda: self._driver.variables)

    def render(self) -> NDArray[np.uint8]:
        """The (H, W, 3) RGB picture of the head camera, upright."""
        return self._image("head_camera")

    def peak_memory_mib(self) -> float:
        """The most memory the simulator's process has had, in MiB."""
        return self._simulator.peak_memory_mib()

    def close(self) -> None:
        """End the simulator's process; the environment cannot be used afterwards."""
        if self._simulator.alive:
            self._simulator.close()

    def _observe(self, state: dict[str, NDArray[np.float64]]) -> Observation:
        return Observation(
            images=self._last_look.hand_out(LazyImages(self._needs.cameras, self._image)),
            state={key: state[key] for key in self.interface.state},
            instruction=self._instruction,
            privileged=self._privileged,
        )

    def _image(self, camera: str) -> NDArray[np.uint8]:
        image: NDArray[np.uint8] = self._simulator.ask("image", camera=camera)["image"]
        return image


def _instruction(chosen: seeds.Verdict, kind: str) -> str:
    """The episode's wording of a kind; some tasks have instructions of one kind only."""
    known = chosen.instructions
    return known.get(kind) or next(iter(known.values()), "")
