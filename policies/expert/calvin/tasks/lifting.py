"""Lifting a block from the table, the shelf or the drawer."""

from __future__ import annotations

from mmact_eval.policies.expert.calvin import table
from mmact_eval.policies.expert.calvin.aside import empty_hand
from mmact_eval.policies.expert.calvin.grasping import grasp, in_shelf
from mmact_eval.policies.expert.calvin.motion import CLOSE
from mmact_eval.policies.expert.calvin.scene import Scene
from mmact_eval.policies.expert.calvin.script import Script, go, retreat, shifted
from mmact_eval.policies.expert.calvin.tasks.doors import move_slider

_MIDDLE = sum(table.SHELF_SIDES) / 2
_OUT = 0.03
"""How far a block comes forward out of the shelf while it rises, m."""

_ROOM = 0.12
"""What the hand needs between a block's middle and the sliding door, m."""


def lift(scene: Scene, attempt: int, *, color: str) -> Script:
    """Grasp it and raise it; before, a door that hides it is moved away."""
    scene = yield from empty_hand(scene)
    if in_shelf(scene, color) and _hidden(scene, color):
        scene = yield from move_slider(scene, attempt, left=scene.blocks[color].position[0] > _MIDDLE)
        scene = yield from retreat(scene)
    scene = yield from grasp(scene, color, attempt)
    end = shifted(scene.position, y=-_OUT if in_shelf(scene, color) else 0.0, z=0.1)
    words = f"lift {scene.blocks[color].name}"
    return (yield from go(scene, end, scene.target[3:], CLOSE, words, speed=0.5))


def _hidden(scene: Scene, color: str) -> bool:
    """Whether the door leaves the hand too little room for a block in the shelf, and could leave more."""
    left, right = (side - scene.slide for side in table.DOOR_SIDES)
    x = scene.blocks[color].position[0]
    open_enough = x > right + _ROOM if x > _MIDDLE else x < left - _ROOM
    moves = scene.slide < table.SLIDE_WAY - 0.02 if x > _MIDDLE else scene.slide > 0.02
    return bool(moves and not open_enough)
