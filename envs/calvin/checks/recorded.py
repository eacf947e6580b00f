"""Short motions whose states were recorded, so that anybody can tell whether their machine computes the same bits.

They were recorded on x86-64 with pybullet 3.2.7, where this world agrees with upstream's environment to the bit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from mmact_eval.envs.calvin.chains import ROBOT_OBS, chains
from mmact_eval.envs.calvin.world import World

MOTIONS = (6, 27, 426)
"""Chains in whose scenes there is a motion. It ends at the drawer, at the drawer, and in a push of block and table."""

STEPS, _EVERY = 60, 20


def recorded(world: str) -> Mapping[str, tuple[str, ...]]:
    """Chain → what `measure` gives.

    Args:
        world: ``calvin`` or ``stand-in``.
    """
    text = resources.files("mmact_eval.envs.calvin.data").joinpath("recorded.json").read_text()
    return {chain: tuple(hashes) for chain, hashes in json.loads(text)[world].items()}


def measure(world: World, chain: int) -> tuple[str, ...]:
    """Hashes of robot vector and scene vector after the reset and after every twentieth step of a motion."""
    world.reset(ROBOT_OBS, chains()[chain].condition.scene_obs())
    found = [_digest(world)]
    for step, action in enumerate(motion(chain), start=1):
        world.step(action)
        if step % _EVERY == 0:
            found.append(_digest(world))
    return tuple(found)


def motion(chain: int) -> NDArray[np.float32]:
    """(STEPS, 7) smooth noise with a pull downwards; the gripper closes from step 20 to 39."""
    drawn = np.random.RandomState(chain)
    height, speed, phase = (
        drawn.uniform(low, high, (6, 3)) for low, high in ((0.1, 0.4), (0.01, 0.06), (0, 2 * np.pi))
    )
    time = np.arange(STEPS)[:, None, None]
    moves = (height * np.sin(2 * np.pi * speed * time + phase)).sum(-1).clip(-1, 1)
    moves[:, 2] = (moves[:, 2] - 0.35).clip(-1, 1)
    grip = np.where((np.arange(STEPS) // _EVERY) == 1, -1.0, 1.0)
    # Rounded, so that a sine's last bit in another library is none of the simulator's business.
    return np.column_stack([np.round(moves * 4096) / 4096, grip]).astype(np.float32)


def _digest(world: World) -> str:
    numbers = np.concatenate([world.robot_obs(), world.scene_obs()]).astype("<f8")
    return hashlib.blake2b(numbers.tobytes(), digest_size=8).hexdigest()
