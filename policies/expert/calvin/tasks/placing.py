"""Putting the block in the hand into the shelf, or into the drawer."""

from __future__ import annotations

import numpy as np

from mmact_eval.policies.expert.calvin import table
from mmact_eval.policies.expert.calvin.aside import free_x
from mmact_eval.policies.expert.calvin.grasping import SHELF_PITCH, SHELF_SPEED, grasp_again
from mmact_eval.policies.expert.calvin.hand import euler, euler_of, level
from mmact_eval.policies.expert.calvin.motion import CLOSE, OPEN
from mmact_eval.policies.expert.calvin.scene import Block, Scene
from mmact_eval.policies.expert.calvin.script import Script, go, grip, retreat, shifted, travel

_IN_SHELF = 0.55
"""Below this height a hand at y > 0 is in the shelf, m."""

_TO_WALL, _TO_DOOR = 0.055, 0.075
"""What the hand needs beside a block in the shelf, m."""


def place_in_drawer(scene: Scene, attempt: int) -> Script:
    """Lower it into the open drawer and let go."""
    scene = yield from (retreat(scene) if scene.held else grasp_again(scene, attempt))
    block = scene.held
    if block is None:
        return (yield from grip(scene, OPEN, "let go"))
    low, high = table.DRAWER_SIDES
    x = free_x(np.linspace(high - 0.08, low + 0.08, 9), _others(scene, block, "drawer_link"))
    place = np.array([x, table.FRONT - scene.drawer / 2, table.DRAWER_FLOOR + 0.05])
    angles = euler_of(level(scene, block))
    scene = yield from travel(scene, place, angles, CLOSE, f"carry {block.name} into the drawer")
    return (yield from grip(scene, OPEN, f"let {block.name} go"))


def place_in_slider(scene: Scene, attempt: int) -> Script:
    """Reach into the open part of the shelf with it and let go."""
    block = scene.held
    if block is not None and scene.position[1] > 0.0 and scene.position[2] < _IN_SHELF:
        down = shifted(scene.position, z=table.TOP + block.half_height - block.position[2])
        scene = yield from go(scene, down, scene.target[3:], CLOSE, f"put {block.name} down", speed=0.5)
        return (yield from grip(scene, OPEN, f"let {block.name} go"))
    scene = yield from (retreat(scene) if scene.held else grasp_again(scene, attempt))
    block = scene.held
    if block is None:
        return (yield from grip(scene, OPEN, "let go"))
    angles = euler(pitch=SHELF_PITCH)
    low, high = table.shelf_opening(scene.slide)
    left, right = (_TO_WALL, _TO_DOOR) if low == table.SHELF_SIDES[0] else (_TO_DOOR, _TO_WALL)
    spare = max(high - low - left - right, 0.0)
    xs = low + left + spare * np.array([0.5, 0.6, 0.4, 0.7, 0.3, 0.8, 0.2, 0.9, 0.1, 1.0, 0.0])
    place = np.array([free_x(xs, _others(scene, block, "plank_link")), table.SHELF_Y, table.TOP + 0.05])
    scene = yield from travel(scene, shifted(place, y=-0.18, z=0.08), angles, CLOSE, f"carry {block.name} to the shelf")
    scene = yield from go(scene, place, angles, CLOSE, f"reach into the shelf with {block.name}", speed=SHELF_SPEED)
    return (yield from grip(scene, OPEN, f"let {block.name} go"))


def _others(scene: Scene, held: Block, link: str) -> list[Block]:
    return [block for block in scene.blocks.values() if block.color != held.color and block.stands_on(link)]
