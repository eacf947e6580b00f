"""CALVIN's world: table, blocks and robot in pybullet, the same bits as upstream's environment.

The order of everything here matters: body numbers, the solver's order and hidden state follow from it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmact_eval.envs.calvin.assets import find_assets
from mmact_eval.envs.calvin.world.bullet import RENDERERS, Bullet
from mmact_eval.envs.calvin.world.cameras import SIZES, picture
from mmact_eval.envs.calvin.world.facts import ROBOT, TABLE, BlockFacts, Facts
from mmact_eval.envs.calvin.world.robot import CLOSE, OPEN, Robot
from mmact_eval.envs.calvin.world.scenes import SCALE, SCENES
from mmact_eval.envs.calvin.world.table import Table
from mmact_eval.errors import EnvironmentFailure, PolicyContractError, UsageError, did_you_mean

SIMULATION_STEPS = 8
"""Of a control step: 240 Hz / 30 Hz."""

ROBOT_OBS, SCENE_OBS = 15, 24
"""Lengths of the two state vectors."""


class World:
    """One scene. Every `reset` builds it anew: a world that was used and is reset differs from a fresh one.

    Attributes:
        scene: the scene's data.
        robot: the robot, for those that plan with it.
    """

    def __init__(self, scene: str = "D", assets: str | Path | None = None, renderer: str = "tiny") -> None:
        """
        Args:
            scene: A, B, C or D.
            assets: the folder of CALVIN's assets; None to look where `mmact-eval setup calvin` puts them.
            renderer: one of `bullet.RENDERERS`.

        Raises:
            UsageError: there is no such scene or renderer, assets or pybullet are missing; says what to do.
        """
        if scene not in SCENES:
            raise UsageError(f'CALVIN has no scene "{scene}", only {", ".join(SCENES)}')
        if renderer not in RENDERERS:
            raise UsageError(
                f'CALVIN is drawn by {" or ".join(RENDERERS)}, not by "{renderer}".{did_you_mean(renderer, RENDERERS)}'
            )
        self.scene = SCENES[scene]
        self._assets = find_assets(assets)
        self._renderer = renderer
        self._used = self._closed = False
        self._build()

    def reset(self, robot_obs: Any, scene_obs: Any) -> None:
        """Begin an episode.

        Args:
            robot_obs: (15,); the joints and the opening width of it are used.
            scene_obs: (24,): slide, drawer, button, switch (m), lamp, LED (0 or 1), and of each block in the scene's
                order position (m) and Euler angles (rad).

        Raises:
            EnvironmentFailure: a vector has another length or holds what is no number.
        """
        robot, scene = _vector(robot_obs, ROBOT_OBS, "robot_obs"), _vector(scene_obs, SCENE_OBS, "scene_obs")
        if self._closed:
            raise EnvironmentFailure("this world of CALVIN has been closed; make another")
        if self._used:
            self._bullet.close()
            self._build()
        self._used = True
        self._table.reset(tuple(scene[:4]), lamp=bool(scene[4]), led=bool(scene[5]))
        for body, pose in zip(self._blocks.values(), scene[6:].reshape(-1, 6), strict=True):
            quaternion = self._bullet.getQuaternionFromEuler(pose[3:])
            self._bullet.resetBasePositionAndOrientation(body, pose[:3], quaternion)
        self.robot.reset(robot)
        self._bullet.stepSimulation()

    def step(self, action: NDArray[Any]) -> None:
        """One control step, 1/30 s.

        Args:
            action: (7,), see `robot.Robot.act`. Its dtype is kept.

        Raises:
            PolicyContractError: its shape is another, a number is not finite (pybullet would search for ever), or the
                gripper's is neither 1 nor -1.
        """
        command = np.array(action)
        if command.shape != (7,) or command.dtype.kind not in "fiu":
            raise PolicyContractError(
                f"CALVIN takes actions of 7 numbers, not {command.dtype} of shape {command.shape}"
            )
        if not np.isfinite(command).all():
            raise PolicyContractError("an action holds NaN or infinity")
        if command[6] not in (OPEN, CLOSE):
            raise PolicyContractError(f"CALVIN's gripper takes 1 (open) or -1 (close), not {command[6]}")
        self.robot.act(command)
        for _ in range(SIMULATION_STEPS):
            self._bullet.stepSimulation()
        self._table.step()

    def robot_obs(self) -> NDArray[np.float64]:
        """(15,), see `robot.Robot.observe`."""
        return self.robot.observe()

    def scene_obs(self) -> NDArray[np.float64]:
        """(24,), as `reset` takes it."""
        blocks: list[float] = []
        for body in self._blocks.values():
            position, quaternion = self._bullet.getBasePositionAndOrientation(body)
            blocks += [*position, *self._bullet.getEulerFromQuaternion(quaternion)]
        return np.array([*self._table.observe(), *blocks])

    def picture(self, camera: str, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """Draw the scene as it is; it does not change.

        Args:
            camera: ``static`` or ``gripper``.
            size: (height, width); None for the published one, (200, 200) and (84, 84).

        Returns:
            (height, width, 3) uint8 RGB, upright.
        """
        if camera not in SIZES:
            raise UsageError(f'CALVIN has no camera "{camera}", only {", ".join(SIZES)}')
        if self._renderer == "egl" and not self._warm:
            self._warm_up()
        return picture(self._bullet, self.robot.body, camera, size or SIZES[camera])

    def facts(self) -> Facts:
        """What the oracle looks at, now."""
        joints = self._table.joint
        return Facts(
            slide=joints("slide"),
            drawer=joints("drawer"),
            lamp=self._table.lamp.on,
            led=self._table.led.on,
            blocks={color: self._block_facts(body) for color, body in self._blocks.items()},
            robot_bodies=frozenset(self._names[contact[2]] for contact in self._contacts(self.robot.body)),
        )

    def move_block(self, color: str, position: NDArray[np.float64]) -> None:
        """Put a block elsewhere, at rest and turned as it is; (3,) m."""
        body = self._blocks[color]
        self._bullet.resetBasePositionAndOrientation(
            body, position, self._bullet.getBasePositionAndOrientation(body)[1]
        )

    def state_hash(self) -> str:
        """Of everything that can be read of the simulation: poses, joints, velocities, lights."""
        bullet = self._bullet
        parts: list[Any] = [self.robot_obs(), self.scene_obs()]
        parts += [bullet.getBaseVelocity(body) for body in self._blocks.values()]
        for body in (self.robot.body, self._table.body):
            parts += [bullet.getJointState(body, joint)[:2] for joint in range(bullet.getNumJoints(body))]
        numbers = np.concatenate([np.ravel(part) for part in parts]).astype(np.float64)
        return hashlib.blake2b(numbers.tobytes(), digest_size=16).hexdigest()

    def close(self) -> None:
        """End the simulation; again is harmless."""
        self._closed = True
        self._bullet.close()

    def _build(self) -> None:
        self._bullet = bullet = Bullet(self._renderer)
        self._warm = False
        self.robot = Robot(bullet, self._assets)
        self._blocks: dict[str, int] = {}
        for (color, size), (position, euler) in zip(self.scene.blocks, self.scene.loading_poses(), strict=True):
            file = self._assets / "blocks" / f"block_{color}_{size}.urdf"
            quaternion = bullet.getQuaternionFromEuler(euler)
            self._blocks[color] = bullet.loadURDF(str(file), position, quaternion, globalScaling=SCALE)
        self._table = Table(bullet, self._assets, self.scene.name)
        plane = bullet.loadURDF(str(self._assets / "plane" / "plane.urdf"))
        self._names = {
            self.robot.body: ROBOT,
            self.robot.pedestal: "pedestal",
            **{body: color for color, body in self._blocks.items()},
            self._table.body: TABLE,
            plane: "plane",
        }

    def _block_facts(self, body: int) -> BlockFacts:
        position, quaternion = self._bullet.getBasePositionAndOrientation(body)
        touches = frozenset((self._names[c[2]], self._link(c[2], c[4])) for c in self._contacts(body))
        velocity = np.concatenate(self._bullet.getBaseVelocity(body))
        return BlockFacts(np.array(position), np.array(quaternion), velocity, touches)

    def _contacts(self, body: int) -> Any:
        return self._bullet.getContactPoints(bodyA=body)

    def _link(self, body: int, link: int) -> str:
        return self._table.links[link] if body == self._table.body else str(link)

    def _warm_up(self) -> None:
        """EGL's first pictures of a process are others than all later ones of the same scene."""
        for _ in range(3):
            picture(self._bullet, self.robot.body, "static", SIZES["static"])
        self._warm = True


def _vector(values: Any, length: int, name: str) -> NDArray[np.float64]:
    vector = np.asarray(values, np.float64)
    if vector.shape != (length,):
        raise EnvironmentFailure(f"{name} has shape {vector.shape}; CALVIN's has ({length},)")
    if not np.isfinite(vector).all():
        raise EnvironmentFailure(f"{name} holds NaN or infinity")
    return vector
