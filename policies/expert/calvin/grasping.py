"""Taking hold of a block."""

from __future__ import annotations

import numpy as np

from mmact_eval.policies.expert.calvin.fit import fits
from mmact_eval.policies.expert.calvin.hand import AHEAD, euler
from mmact_eval.policies.expert.calvin.motion import CLOSE, OPEN
from mmact_eval.policies.expert.calvin.scene import Scene
from mmact_eval.policies.expert.calvin.script import Script, go, grip, travel

SHELF_PITCH = -0.95
"""Tilt of the hand with which it reaches into the shelf, rad."""

_ABOVE = np.array([0.0, 0.0, 0.07])
_IN_FRONT = np.array([0.0, -0.14, 0.10])


def in_shelf(scene: Scene, color: str) -> bool:
    """Whether the block lies on the shelf behind the sliding door."""
    return scene.blocks[color].stands_on("plank_link")


def grasp(scene: Scene, color: str, attempt: int, wanted: float = AHEAD) -> Script:
    """Take hold of a block: from above, or tilted where it lies in the shelf.

    Args:
        scene: the hand is where it travels.
        color: which block.
        attempt: from 0; every other one is the next best way to hold a block that does not lie in the shelf.
        wanted: the yaw that suits best afterwards.
    """
    block = scene.blocks[color]
    ways = fits(block, (other for other in scene.blocks.values() if other.color != color), wanted)
    if in_shelf(scene, color):
        way, pitch, off = ways[0], SHELF_PITCH, _IN_FRONT
    else:
        way, pitch, off = ways[min(attempt % 2, len(ways) - 1)], 0.0, _ABOVE
    angles = euler(way.yaw, pitch)
    words = f"move {'in front of' if pitch else 'above'} {block.name}"
    scene = yield from travel(scene, block.position + way.shift + off, angles, OPEN, words)
    place = scene.blocks[color].position + way.shift
    scene = yield from go(scene, place, angles, OPEN, f"reach for {block.name}", speed=0.6)
    return (yield from grip(scene, CLOSE, f"grasp {block.name}"))
