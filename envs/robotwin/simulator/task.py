"""One RoboTwin task: set an episode up, let the expert play it, execute actions, look."""

from __future__ import annotations

import gc
import hashlib
import json
import random
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .runtime import Runtime

RECORD_EVERY = 15
"""Physics steps between two recorded targets of the expert: upstream's `save_freq`."""

_STILL = 1e-6
"""Targets that differ by less (rad) are one."""


class Driver:
    """Drives the task classes of a runtime, one episode at a time."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._task: Any = None
        self._renderer: Any = None

    # Episodes.

    def set_up(self, name: str, seed: int, random_seed: int, expert: bool = False) -> dict[str, Any]:
        """Put the scene of a seed up.

        Args:
            name: the task.
            seed: upstream's seed of the scene.
            random_seed: for Python's `random` and the planner, which upstream leaves unseeded.
            expert: let the expert play first, as upstream's evaluation does; some tasks' success depends on it.

        Returns:
            ``scene_hash``, ``state``, ``step_limit``, and the expert's ``actions``, ``success`` and ``reason``.
        """
        self.close()
        self._task = self._runtime.new_task(name)
        played: dict[str, Any] = {}
        if expert:
            played = self._play(name, seed, random_seed)
            self._end()
        self._begin(name, seed, random_seed)
        self._task._update_render()
        found = {"scene_hash": self.scene_hash(), "state": self.state(), "step_limit": int(self._task.step_lim)}
        return {**found, **played}

    def check_seed(self, name: str, seed: int, random_seed: int) -> dict[str, Any]:
        """Whether the expert solves a seed: ``success``, ``reason`` ("" if it does) and the ``instructions``."""
        self.close()
        self._task = self._runtime.new_task(name)
        try:
            played = self._play(name, seed, random_seed)
        except self._runtime.unstable_error as error:
            return {"success": False, "reason": f"unstable: {error}", "instructions": {}}
        except Exception as error:
            return {"success": False, "reason": f"error: {type(error).__name__}: {error}", "instructions": {}}
        instructions = self._runtime.instructions(name, played["info"], random_seed) if played["success"] else {}
        if played["success"] and not instructions:
            return {"success": False, "reason": "no instruction fits the episode", "instructions": {}}
        return {"success": played["success"], "reason": played["reason"], "instructions": instructions}

    def _play(self, name: str, seed: int, random_seed: int) -> dict[str, Any]:
        """Set up and let the expert play, recording what it tells the joints."""
        self._begin(name, seed, random_seed)
        task = self._task
        targets: list[NDArray[np.float64]] = []
        task._take_picture = lambda *args, **kwargs: targets.append(self._targets())
        try:
            told = task.play_once()
            planned = bool(task.plan_success)
            # Once only: in some tasks the check changes what it checks.
            success = planned and bool(task.check_success())
        finally:
            del task._take_picture
        reason = "" if success else "the planner found no path" if not planned else "the expert did not succeed"
        info = dict((told or {}).get("info", {})) if isinstance(told, dict) else {}
        return {"success": success, "reason": reason, "info": info, "actions": _distinct(targets)}

    def _begin(self, name: str, seed: int, random_seed: int) -> None:
        random.seed(random_seed)
        _seed_planner(random_seed)
        arguments = {**self._runtime.arguments(name), "save_freq": RECORD_EVERY}
        self._task.setup_demo(now_ep_num=0, seed=seed, is_test=True, **arguments)
        # Without a holder the Vulkan device goes with the scene, and software drivers compile all shaders again (10 s).
        self._renderer = self._renderer or self._task.renderer

    def _end(self) -> None:
        self._task.close_env(clear_cache=False)

    def close(self) -> None:
        """Free the task's scene."""
        if self._task is not None:
            task, self._task = self._task, None
            if getattr(task, "scene", None) is not None:
                task.close_env(clear_cache=True)
            del task
            gc.collect()  # scenes and tasks refer to each other in circles

    # Actions.

    def execute(self, actions: NDArray[np.float64], kind: str, limit: int) -> dict[str, Any]:
        """Execute actions up to success or the step limit.

        Args:
            actions: (T, D).
            kind: ``qpos`` or ``ee``.
            limit: steps of the episode in all.

        Returns:
            ``steps`` executed, ``success``, ``total`` steps of the episode, and the ``state``.
        """
        task = self._task
        task.get_obs = dict  # upstream renders all cameras at success, for its own video
        # Upstream tells the renderer after every physics step. Flickering lights draw random numbers meanwhile.
        tells_in_between = bool(getattr(task, "crazy_random_light", True))
        if not tells_in_between:
            task._update_render = _nothing
        executed = 0
        try:
            for action in actions:
                if task.eval_success or task.take_action_cnt >= min(limit, task.step_lim):
                    break
                task.take_action(action, kind)
                executed += 1
        finally:
            del task.get_obs
            if not tells_in_between:
                del task._update_render
                task._update_render()
        total = int(task.take_action_cnt)
        return {"steps": executed, "success": bool(task.eval_success), "total": total, "state": self.state()}

    # Looks.

    def state(self) -> dict[str, NDArray[np.float64]]:
        """What upstream's observations hold besides images.

        ``joint_action``: the arms' drive targets (rad) and gripper openings; ``endpose``: for each arm position (m),
        quaternion wxyz in the world frame, and gripper opening.
        """
        robot = self._task.robot
        poses = []
        for side in ("left", "right"):
            gripper = getattr(robot, f"get_{side}_gripper_val")()
            poses += [*np.asarray(self._task.get_arm_pose(side), float), float(gripper)]
        return {"joint_action": self._targets(), "endpose": np.array(poses)}

    def _targets(self) -> NDArray[np.float64]:
        robot = self._task.robot
        return np.array([*robot.get_left_arm_jointState(), *robot.get_right_arm_jointState()], float)

    def image(self, name: str) -> NDArray[np.uint8]:
        """An (H, W, 3) picture by one camera of the scene as it is. Nothing else is drawn and no randomness used."""
        camera = self._camera(name)
        camera.take_picture()
        colours = np.asarray(camera.get_picture("Color"))
        picture: NDArray[np.uint8] = (colours * 255).clip(0, 255).astype(np.uint8)[:, :, :3]
        return np.ascontiguousarray(picture)

    def _camera(self, name: str) -> Any:
        cameras = self._task.cameras
        if name in cameras.static_camera_name:
            return cameras.static_camera_list[cameras.static_camera_name.index(name)]
        return getattr(cameras, name)

    def scene_hash(self) -> str:
        """Hash of where everything is, of the robot's joints, of textures and lights."""
        task = self._task
        lights = [light.get_color() for light in (*task.direction_light_lst, *task.point_light_lst)]
        looks = json.dumps([task.info.get("texture_info"), task.info.get("cluttered_table_info")], default=str)
        return _digest([looks.encode(), *self._bytes(velocities=False), *(_bytes(colour) for colour in lights)])

    def state_hash(self) -> str:
        """Hash of where everything is and how it moves."""
        return _digest([str(self._task.take_action_cnt).encode(), *self._bytes(velocities=True)])

    def _bytes(self, velocities: bool) -> Iterable[bytes]:
        scene = self._task.scene
        for actor in scene.get_all_actors():
            yield actor.get_name().encode()
            pose = actor.get_pose()
            yield _bytes(pose.p) + _bytes(pose.q)
            if velocities:
                for component in actor.components:
                    if hasattr(component, "linear_velocity"):
                        yield _bytes(component.linear_velocity) + _bytes(component.angular_velocity)
        for articulation in scene.get_all_articulations():
            pose = articulation.get_root_pose()
            yield _bytes(pose.p) + _bytes(pose.q) + _bytes(articulation.get_qpos())
            if velocities:
                yield _bytes(articulation.get_qvel())


def _nothing() -> None:
    """Stands in for what would be overwritten before anybody sees it."""


def _distinct(targets: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """(T, D) recorded targets without repetitions of the one before."""
    kept: list[NDArray[np.float64]] = []
    for target in targets:
        if not kept or np.abs(target - kept[-1]).max() > _STILL:
            kept.append(target)
    return np.array(kept) if kept else np.zeros((0, 0))


def _seed_planner(seed: int) -> None:
    import mplib

    if hasattr(mplib, "set_global_seed"):
        mplib.set_global_seed(seed % 2**31)


def _bytes(values: Any) -> bytes:
    return np.ascontiguousarray(np.asarray(values, dtype="<f4")).tobytes()


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
