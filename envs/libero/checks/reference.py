"""The loop as openpi, OpenVLA-OFT and MM-ACT run it on unmodified LIBERO: what `verify` and benchmarks compare with.

Hard reset before each episode, an image from each camera at each step. Nothing here may be clever.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmact_eval.envs.libero.spec import CAMERAS, SETTLE_ACTION
from mmact_eval.envs.libero.task_files import LiberoTask
from mmact_eval.envs.libero.upstream import load_simulator, quiet
from mmact_eval.suite import Suite
from mmact_eval.types import Episode


@dataclass(frozen=True)
class Trace:
    """What happened in an episode, for comparison.

    Attributes:
        scene: body poses and joint positions right after the initial state was set.
        images: camera → (H, W, 3) uint8 after settling and after each chunk.
        states: state key → vector, at the same moments.
        final: body poses and flat simulator state at the end.
        steps: actions executed.
        success: whether the goal was reached.
    """

    scene: tuple[NDArray[np.float64], ...]
    images: tuple[dict[str, NDArray[np.uint8]], ...]
    states: tuple[dict[str, NDArray[np.float64]], ...]
    final: tuple[NDArray[np.float64], ...]
    steps: int
    success: bool


class UpstreamLoop:
    """The sequential evaluation loop over one task.

    In seed mode ``upstream``, exactly what the public scripts do: one `seed` after construction, then reset after
    reset; episodes must be run in the order of their init states, from 0. In seed mode ``episode``, which upstream
    does not know, numpy's generator is seeded for each episode and left-over samplers are dropped before its reset.
    """

    def __init__(self, suite: Suite, task: LiberoTask, seed: int, *, cameras: bool = True) -> None:
        """`cameras`: without them no picture is drawn and `run` cannot be used; the scenes are the same."""
        load_simulator()
        with quiet():
            from libero.libero.envs.env_wrapper import ControlEnv, OffScreenRenderEnv

            size = suite.protocol.resolution
            if cameras:
                self._env: Any = OffScreenRenderEnv(
                    bddl_file_name=str(task.bddl_file), camera_heights=size, camera_widths=size
                )
            else:
                self._env = ControlEnv(str(task.bddl_file), has_offscreen_renderer=False, use_camera_obs=False)
        self._suite = suite
        self._init_states = task.init_states()
        self._env.seed(seed)

    @property
    def problem(self) -> Any:
        """The robosuite environment inside."""
        return self._env.env

    def settle(self, episode: Episode) -> tuple[tuple[NDArray[np.float64], ...], dict[str, Any]]:
        """Put an episode's scene up and let it come to rest.

        Returns:
            Body poses, joint positions and velocities before settling; the observation after it.
        """
        env = self._env
        if self._suite.protocol.seed_mode == "episode":
            env.seed(episode.derived_seed("scene"))
            env.env.object_property_initializers.clear()
        env.reset()
        obs = env.set_init_state(self._init_states[episode.init_state])
        scene = (*self._poses(), env.get_sim_state()[1:])
        for _ in range(self._suite.protocol.settle_steps):
            obs, _, _, _ = env.step(list(SETTLE_ACTION))
        return scene, obs

    def run(self, episode: Episode, actions: NDArray[np.float32], chunk: int) -> Trace:
        """Run one episode with given actions, looking at it after settling and after every `chunk` actions."""
        env = self._env
        scene, obs = self.settle(episode)
        looks = [obs]
        done = False
        steps = 0
        for action in actions:
            obs, _, done, _ = env.step(action.tolist())
            steps += 1
            if done or steps % chunk == 0 or steps == len(actions):
                looks.append(obs)
            if done:
                break
        return Trace(
            scene=scene,
            images=tuple(self._images(look) for look in looks),
            states=tuple(_states(look) for look in looks),
            final=(*self._poses(), env.get_sim_state()),
            steps=steps,
            success=bool(done),
        )

    def close(self) -> None:
        """Free the simulator."""
        self._env.close()

    def _poses(self) -> Sequence[NDArray[np.float64]]:
        model = self._env.sim.model
        return np.array(model.body_pos), np.array(model.body_quat)

    def _images(self, obs: dict[str, Any]) -> dict[str, NDArray[np.uint8]]:
        turns = self._suite.protocol.rotation // 90
        return {
            name: np.ascontiguousarray(np.rot90(obs[f"{CAMERAS[name]}_image"], turns))
            for name in self._suite.protocol.cameras
        }


def _states(obs: dict[str, Any]) -> dict[str, NDArray[np.float64]]:
    return {
        "eef_pos": np.array(obs["robot0_eef_pos"]),
        "eef_quat": np.array(obs["robot0_eef_quat"]),
        "eef_axis_angle": _quat2axisangle(np.array(obs["robot0_eef_quat"])),
        "gripper_qpos": np.array(obs["robot0_gripper_qpos"]),
        "joint_pos": np.array(obs["robot0_joint_pos"]),
    }


def _quat2axisangle(quat: NDArray[np.float64]) -> NDArray[np.float64]:
    """robosuite's own function; only the clipping, which openpi adds to it, is repeated."""
    import robosuite.utils.transform_utils as transforms

    clipped = quat.copy()
    clipped[3] = np.clip(quat[3], -1.0, 1.0)
    if math.isclose(math.sqrt(1.0 - clipped[3] ** 2), 0.0):
        return np.zeros(3)
    vector: NDArray[np.float64] = transforms.quat2axisangle(clipped)
    return vector
