"""LIBERO as a `gymnasium.Env` that can also execute whole chunks and renders only what is looked at."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmact_eval.envs.libero.checks.settled import free_objects, not_at_rest
from mmact_eval.envs.libero.conditional.other_branch import OtherBranch
from mmact_eval.envs.libero.simulation.angles import axis_angle
from mmact_eval.envs.libero.simulation.seeding import SceneDrawer
from mmact_eval.envs.libero.simulation.simulation import Simulation
from mmact_eval.envs.libero.spec import CAMERAS, SETTLE_ACTION, STATE_LIMITS, env_spec
from mmact_eval.envs.libero.task_files import LiberoTask
from mmact_eval.errors import UsageError
from mmact_eval.gym_env import GymEnv
from mmact_eval.lazy_images import LastLook, LazyImages
from mmact_eval.protocols import Needs, Task
from mmact_eval.suite import Suite
from mmact_eval.types import Episode, Observation


class LiberoEnv(GymEnv):
    """One LIBERO task, compiled once and reset softly.

    Actions are (7,) float32 in [-1, 1]: end-effector translation and rotation deltas (×0.05 m, ×0.5 rad) and the
    gripper (−1 opens, +1 closes), at 20 Hz. The reward is 1.0 at success, else 0.0; success terminates.

    Attributes:
        interface, task: see `GymEnv`.
        simulation: the simulation behind it.
        scene_state: (nq + nv,) joint positions and velocities right after the last reset, before settling.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012

    def __init__(
        self,
        suite: Suite,
        task: Task,
        libero_task: LiberoTask,
        needs: Needs,
        render_mode: str | None = None,
    ) -> None:
        """Compile the scene (5 s or so).

        Raises:
            UsageError: `needs` names a camera that the suite's protocol does not offer.
        """
        super().__init__(suite, task, needs, env_spec(suite), state_limits=STATE_LIMITS, render_mode=render_mode)
        self._init_states = libero_task.init_states()
        self._other_goal = libero_task.other_goal
        self.simulation = Simulation(libero_task.bddl_file)
        self._scenes = SceneDrawer(self.simulation)
        self._scene_reader: Any = None
        self.scene_state: NDArray[np.float64] = np.zeros(0)
        self._scene_hash = ""
        self._remarks: tuple[str, ...] = ()
        self._last_look = LastLook()
        self._steps = 0
        self._other: OtherBranch | None = None

    def begin(self, episode: Episode) -> Observation:
        """Put the episode's scene up, settle it and observe it.

        Raises:
            UsageError: the episode belongs to another task, or the task has no such initial state.
        """
        self._require_own(episode)
        if not 0 <= episode.init_state < len(self._init_states):
            raise UsageError(
                f"{self.task.name} has {len(self._init_states)} initial states; there is no number"
                f" {episode.init_state} (they count from 0)."
            )
        self._last_look.before_the_scene_changes()
        self._scenes.reset(episode, self._suite.protocol.seed_mode)
        self.simulation.set_init_state(self._init_states[episode.init_state])
        self.scene_state = self.simulation.flat_state()[1:]
        self._scene_hash = self._hash(self.scene_state[: self.simulation.nq])
        settle = np.array(SETTLE_ACTION)
        for _ in range(self._suite.protocol.settle_steps):
            self.simulation.step(settle)
        self._remarks = not_at_rest(free_objects(self.simulation.problem))
        self._steps = 0
        self._other = OtherBranch(self.simulation.problem, self._other_goal)
        return self._observe()

    def scene_remarks(self) -> tuple[str, ...]:
        """What hung in the air or still slid when the scene of this episode was first observed; see `settled`."""
        return self._remarks

    def step_chunk(self, actions: NDArray[np.float32]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Execute actions until success, the step limit or their end; the last observation draws what is looked at.

        Args:
            actions: (T, 7) finite numbers, T ≥ 1. Values beyond [-1, 1] are clipped by the controller, as upstream.

        Returns:
            Observation, reward, terminated (success), truncated (`protocol.max_steps` reached) and info with
            ``steps`` (actions executed), ``success`` and, in conditional tasks, ``figures``.

        Raises:
            PolicyContractError: the actions have another shape or are not finite.
            EnvironmentFailure: the simulation became unstable.
        """
        chunk = self._checked(actions)
        self._last_look.before_the_scene_changes()
        limit = self._suite.protocol.max_steps
        assert self._other is not None
        reward, success, executed = 0.0, False, 0
        for action in chunk:
            reward, success = self.simulation.step(action)
            self._other.look()
            executed += 1
            self._steps += 1
            if success or self._steps >= limit:
                break
        truncated = self._steps >= limit and not success
        info: dict[str, Any] = {"steps": executed, "success": success}
        figures = self._other.figures()
        if figures:
            info["figures"] = figures
        return self._observe(), reward, success, truncated, info

    def disturb(self, rng: np.random.Generator, metres: float) -> str:
        """Displace the first movable object that the goal names. See `mmact_eval.optional.Disturbs`."""
        from mmact_eval.envs.libero.displacement import displace_goal_object

        self._last_look.before_the_scene_changes()
        return displace_goal_object(self.simulation.problem, rng, metres)

    def scene_hash(self) -> str:
        """Hash of body poses and joint positions right after the initial state was set, before settling."""
        return self._scene_hash

    def state_hash(self) -> str:
        """Hash of body poses, time, joint positions and joint velocities now."""
        return self._hash(self.simulation.flat_state())

    def render(self) -> NDArray[np.uint8]:
        """The (H, W, 3) RGB picture of agentview, upright, as of the last step."""
        raw = self.simulation.renderer.draw(CAMERAS["agentview"], self._suite.protocol.resolution)
        return np.ascontiguousarray(raw[::-1, ::-1])

    def close(self) -> None:
        """Free the simulator; the environment cannot be used afterwards."""
        self._scene_reader = None
        self.simulation.close()

    def _observe(self) -> Observation:
        state = self.simulation.state()
        state["eef_axis_angle"] = axis_angle(state["eef_quat"])
        return Observation(
            images=self._last_look.hand_out(LazyImages(self._needs.cameras, self._image)),
            state={key: state[key] for key in self.interface.state},
            instruction=self.task.instruction,
            privileged=self._privileged() if self._needs.privileged else None,
        )

    def _image(self, camera: str) -> NDArray[np.uint8]:
        raw = self.simulation.renderer.draw(CAMERAS[camera], self._suite.protocol.resolution)
        return np.ascontiguousarray(np.rot90(raw, self._suite.protocol.rotation // 90))

    def _privileged(self) -> dict[str, Any]:
        if self._scene_reader is None:
            from mmact_eval.envs.libero.simulation.scene import SceneReader

            self._scene_reader = SceneReader(self.simulation.problem)
        scene: dict[str, Any] = self._scene_reader.read()
        return scene

    def _hash(self, state: NDArray[np.float64]) -> str:
        digest = hashlib.blake2b(digest_size=16)
        for array in (*self.simulation.fixed_poses(), state):
            digest.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
        return digest.hexdigest()
