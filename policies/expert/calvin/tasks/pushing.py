"""Pushing a block along the table, or sliding it over the edge into the drawer."""

from __future__ import annotations

import numpy as np

from mmact_eval.policies.expert.calvin import table
from mmact_eval.policies.expert.calvin.aside import empty_hand
from mmact_eval.policies.expert.calvin.grasping import grasp
from mmact_eval.policies.expert.calvin.hand import euler
from mmact_eval.policies.expert.calvin.motion import CLOSE, OPEN, Command
from mmact_eval.policies.expert.calvin.scene import Block, Scene
from mmact_eval.policies.expert.calvin.script import Script, go, grip, retreat, shifted, travel

_ENOUGH = 0.1
"""How far a block has to be pushed, m. The fingers stop there, and it slides on, so that they do not touch it when it
counts: what comes next may want a block that nothing touches."""

_MORE = 0.01
"""By how much each further stroke is longer, m."""

_RUN_UP = 0.04
"""From where the fingers come down to the block, m."""

_DRAW_BACK = 0.03
_LEAD = 0.02
"""How far beyond its end the target is led and then called back at once: so the fingers stop short, m."""

_HALF_FINGERS = 0.018
"""Half the width of the closed fingers, m."""

_STRETCHED, _LAG = 0.25, 0.012
"""Beyond this x the arm, nearly stretched, stays behind by about so much, m."""


def push(scene: Scene, attempt: int, *, color: str, sign: int) -> Script:
    """Push it sideways with the closed fingers; `sign` 1 is to the right, along x."""
    scene = yield from empty_hand(scene)
    begin = scene.blocks[color].position[0]
    for again in range(3):
        left = _ENOUGH - sign * (scene.blocks[color].position[0] - begin) + _MORE * (again + 0.5)
        scene = yield from _strike(scene, color, sign, left)
        scene = yield from retreat(scene)
    return (yield from _drag(scene, color, sign))


def _strike(scene: Scene, color: str, sign: int, distance: float) -> Script:
    """One stroke of the closed fingers, which push the block that far, m."""
    block = scene.blocks[color]
    words = f"push {block.name} to the {'right' if sign > 0 else 'left'}"
    gap = float(np.abs(block.rotation[0]) @ block.size / 2) + _HALF_FINGERS
    beside = shifted(block.position, x=-sign * (gap + _RUN_UP))
    scene = yield from travel(scene, beside, euler(), CLOSE, f"move beside {block.name}")
    end = shifted(scene.target[:3], x=sign * (_RUN_UP + distance))
    if sign > 0 and end[0] > _STRETCHED:
        end[0] += _LAG
    end[0] += sign * _LEAD
    scene = yield Command(np.concatenate([end, scene.target[3:]]), CLOSE, words)
    return (yield from go(scene, shifted(end, x=-sign * (_LEAD + _DRAW_BACK)), euler(), CLOSE, "draw back"))


def push_into_drawer(scene: Scene, attempt: int) -> Script:
    """Slide the block that stands nearest over the table's edge, between the fingers."""
    scene = yield from empty_hand(scene)
    block = _nearest(scene)
    low, high = table.DRAWER_SIDES
    scene = yield from grasp(scene, block.color, attempt)
    end = np.array([np.clip(scene.position[0], low + 0.06, high - 0.06), table.FRONT - 0.07, scene.position[2] + 0.01])
    scene = yield from go(scene, end, scene.target[3:], CLOSE, f"slide {block.name} over the edge", speed=0.5)
    return (yield from grip(scene, OPEN, f"let {block.name} fall into the drawer"))


def _drag(scene: Scene, color: str, sign: int) -> Script:
    """Move it with the fingers around it."""
    scene = yield from grasp(scene, color, 0)
    words = f"move {scene.blocks[color].name} to the {'right' if sign > 0 else 'left'}"
    end = shifted(scene.position, x=sign * (_ENOUGH + 4 * _MORE))
    return (yield from go(scene, end, scene.target[3:], CLOSE, words, speed=0.5))


def _nearest(scene: Scene) -> Block:
    """Of the blocks that can be pushed in, the one nearest to the drawer's middle."""
    standing = [block for block in scene.blocks.values() if block.touches == {("table", "base_link")}]
    middle = sum(table.DRAWER_SIDES) / 2
    return min(standing or scene.blocks.values(), key=lambda block: abs(block.position[0] - middle))
