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
from mmact_eval.errors import PolicyContractError, UsageError
from mmact_eval.lazy_images import LastLook, LazyImages
from mmact_eval.protocols import Needs, Task
from mmact_eval.suite import Suite
from mmact_eval.types import Episode, Observation

Obs = dict[str, Any]

_STATE_LIMIT = 100.0
_LONGEST_INSTRUCTION = 2000


class RobotwinEnv(gymnasium.Env[Obs, NDArray[np.float32]]):
    """One RoboTwin task in a simulator process of its own.

    Two ways to drive it, which may be mixed. The engine's: `begin`, then `step_chunk`. Gymnasium's: `reset` with
    ``options={"init_state": k}``, then `step`; observations are then nested dictionaries of the same content
    (``images``, ``state``, ``instruction``).

    An action takes as long as the motion to it does (upstream times it by TOPP); success is checked at every physics
    step. The reward is 1.0 at success, else 0.0; success terminates, the task's step limit truncates.

    Attributes:
        interface: what it offers (cameras, state vectors, action convention).
        task: its task.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012

    def __init__(self, suite: Suite, task: Task, needs: Needs, driver: Driver, render_mode: str | None = None) -> None:
        """Start the simulator's process (some seconds).

        Raises:
            UsageError: `needs` names a camera that the suite does not offer, or something is not installed.
            EnvironmentFailure: the simulator does not start.
        """
        self.interface = env_spec(suite)
        self.task = task
        self.render_mode = render_mode
        for camera in needs.cameras:
            if camera not in self.interface.cameras:
                raise UsageError(
                    f'suite {suite.name} offers no camera "{camera}"; add it to protocol.cameras'
                    f" (it has {', '.join(self.interface.cameras) or 'none'})."
                )
        self._suite, self._needs, self._driver = suite, needs, driver
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
        self._seed = 0
        self.observation_space = self._observation_space()
        action = self.interface.action
        self.action_space = gymnasium.spaces.Box(action.low, action.high, (action.dim,), np.float32)

    # The engine's side.

    def begin(self, episode: Episode) -> Observation:
        """Put the scene of the episode's accepted seed up and observe it.

        Raises:
            UsageError: the episode belongs to another task, or the manifest has no such seed.
            EnvironmentFailure: the simulator broke.
        """
        if (episode.suite, episode.task) != (self._suite.name, self.task.name):
            raise UsageError(f"{episode.key} was given to the environment of {self._suite.name}/{self.task.name}.")
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

    # Gymnasium's side.

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Obs, dict[str, Any]]:
        """Begin the episode (seed, init state), looking for its accepted seed if the manifest has none yet.

        Args:
            seed: the run's seed; None keeps the last one (0 at first).
            options: ``{"init_state": k}``, by default 0.
        """
        super().reset(seed=seed)
        if seed is not None:
            self._seed = seed
        init_state = int((options or {}).get("init_state", 0))
        wanted = {(self.task.name, self._seed): init_state + 1}
        find_seeds(self._suite, wanted, 1, lambda text: None, lambda: self._driver.variables)
        episode = Episode(self._suite.name, self.task.name, init_state, self._seed)
        observation = self._as_dict(self.begin(episode))
        return observation, {"episode": episode.key, "scene_hash": self._scene_hash}

    def step(self, action: NDArray[np.float32]) -> tuple[Obs, float, bool, bool, dict[str, Any]]:
        """One action, as a chunk of one; see `step_chunk`."""
        observation, reward, terminated, truncated, info = self.step_chunk(np.asarray(action)[None])
        return self._as_dict(observation), reward, terminated, truncated, info

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

    def _checked(self, actions: NDArray[Any]) -> NDArray[np.float64]:
        chunk = np.asarray(actions)
        dim = self.interface.action.dim
        if chunk.ndim != 2 or chunk.shape[1] != dim or len(chunk) == 0:
            raise PolicyContractError(f"actions have shape {chunk.shape}; RoboTwin takes (T, {dim}) with T ≥ 1")
        numbers = chunk.astype(np.float64)
        if not np.isfinite(numbers).all():
            raise PolicyContractError("actions hold NaN or infinity")
        return numbers

    def _observation_space(self) -> gymnasium.spaces.Dict:
        box, dictionary = gymnasium.spaces.Box, gymnasium.spaces.Dict
        images: dict[str, gymnasium.Space[Any]] = {
            camera: box(0, 255, (*self.interface.cameras[camera], 3), np.uint8) for camera in self._needs.cameras
        }
        state: dict[str, gymnasium.Space[Any]] = {
            key: box(-_STATE_LIMIT, _STATE_LIMIT, (spec.dim,), np.float64) for key, spec in self.interface.state.items()
        }
        text = gymnasium.spaces.Text(_LONGEST_INSTRUCTION, min_length=0, charset=frozenset(string.printable))
        return dictionary({"images": dictionary(images), "state": dictionary(state), "instruction": text})

    def _as_dict(self, observation: Observation) -> Obs:
        return {
            "images": dict(observation.images),
            "state": dict(observation.state),
            "instruction": observation.instruction,
        }


def _instruction(chosen: seeds.Verdict, kind: str) -> str:
    """The episode's wording of a kind; some tasks have instructions of one kind only."""
    known = chosen.instructions
    return known.get(kind) or next(iter(known.values()), "")
