"""Taking hold of a block."""

from __future__ import annotations

import numpy as np

from mmact_eval.policies.expert.calvin.fit import fits
from mmact_eval.policies.expert.calvin.hand import AHEAD, euler, matrix
from mmact_eval.policies.expert.calvin.motion import CLOSE, OPEN
from mmact_eval.policies.expert.calvin.scene import Scene
from mmact_eval.policies.expert.calvin.script import Script, go, grip, retreat, shifted, travel

SHELF_PITCH = -0.95
"""Tilt of the hand with which it reaches into the shelf, rad."""

SHELF_SPEED = 0.3
"""Share of the top speed in the shelf: the arm swings its elbow there and does not follow faster."""

_MOST_TURNED = 0.8
"""How far the hand in the shelf can be turned from straight ahead, rad."""

_ABOVE, _IN_FRONT = 0.07, 0.17
"""From how far the hand moves towards a block, in the direction in which it points, m."""


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
    hidden = in_shelf(scene, color)
    others = (other for other in scene.blocks.values() if other.color != color)
    ways = fits(block, others, wanted, _MOST_TURNED if hidden else np.pi)
    if hidden:
        way, pitch, away = ways[0], SHELF_PITCH, _IN_FRONT
    else:
        way, pitch, away = ways[min(attempt % 2, len(ways) - 1)], 0.0, _ABOVE
    angles = euler(way.yaw, pitch)
    words = f"move {'in front of' if pitch else 'above'} {block.name}"
    start = block.position + way.shift - away * matrix(angles)[:, 2]
    scene = yield from travel(scene, start, angles, OPEN, words)
    place = scene.blocks[color].position + way.shift
    scene = yield from go(scene, place, angles, OPEN, f"reach for {block.name}", speed=SHELF_SPEED if hidden else 0.6)
    return (yield from grip(scene, CLOSE, f"grasp {block.name}"))


def grasp_again(scene: Scene, attempt: int) -> Script:
    """Take hold of the block nearest to the hand, which has lost one, and raise it."""
    scene = yield from retreat(scene)
    lost = min(scene.blocks.values(), key=lambda block: float(np.linalg.norm(block.position - scene.position)))
    scene = yield from grasp(scene, lost.color, attempt)
    scene = yield from go(
        scene, shifted(scene.position, z=0.1), scene.target[3:], CLOSE, f"lift {lost.name}", speed=0.5
    )
    return (yield from retreat(scene))
