"""Beginning a task with an empty hand."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mmact_eval.policies.expert.calvin import table
from mmact_eval.policies.expert.calvin.hand import euler_of, level
from mmact_eval.policies.expert.calvin.motion import CLOSE, OPEN
from mmact_eval.policies.expert.calvin.scene import Block, Scene
from mmact_eval.policies.expert.calvin.script import Script, go, grip, retreat, shifted, travel

_ASIDE_Y = -0.12
_ASIDE_X = tuple(np.linspace(0.0, 0.3, 13))
_FREE = 0.12
"""Distance to the next block that is enough, m."""


def empty_hand(scene: Scene) -> Script:
    """Come out of where the hand is and rise; a block in it is set down on the table first, where there is room."""
    scene = yield from retreat(scene)
    block = scene.held
    if block is None:
        return scene
    others = [other for other in scene.blocks.values() if other.color != block.color]
    x = free_x(sorted(_ASIDE_X, key=lambda x: abs(x - scene.position[0])), others)
    angles = euler_of(level(scene, block))
    words = f"put {block.name} aside"
    scene = yield from travel(scene, np.array([x, _ASIDE_Y, table.TOP + 0.05]), angles, CLOSE, words)
    held = scene.blocks[block.color]
    down = shifted(scene.position, z=table.TOP + 0.003 + held.half_height - held.position[2])
    scene = yield from go(scene, down, angles, CLOSE, words, speed=0.5, tolerance=0.02)
    scene = yield from grip(scene, OPEN, f"let {block.name} go")
    return (yield from retreat(scene))


def free_x(xs: Iterable[float], blocks: list[Block]) -> float:
    """The first x that is far from all blocks, else the one that is farthest."""
    return max(xs, key=lambda x: min([_FREE, *(abs(x - block.position[0]) for block in blocks)]))
