"""Rotating a block where it stands."""

from __future__ import annotations

import numpy as np

from mmact_eval.policies.expert.calvin.aside import empty_hand
from mmact_eval.policies.expert.calvin.grasping import grasp
from mmact_eval.policies.expert.calvin.hand import AHEAD
from mmact_eval.policies.expert.calvin.motion import CLOSE, OPEN
from mmact_eval.policies.expert.calvin.scene import Scene
from mmact_eval.policies.expert.calvin.script import Script, go, grip, shifted

_TURN = np.radians(80)
_CLEARANCE = 0.012
"""How far above the table it is turned, m: it counts once it stands again, so that the fingers do not hold it then."""


def turn(scene: Scene, attempt: int, *, color: str, sign: int) -> Script:
    """Grasp it, turn the hand a little above the table, and drop it; `sign` 1 is counter-clockwise seen from above."""
    if scene.held is not None and scene.held.color == color:
        return (yield from _turn_in_hand(scene, color, sign))
    scene = yield from empty_hand(scene)
    scene = yield from grasp(scene, color, attempt, AHEAD - sign * _TURN / 2)
    block = scene.blocks[color]
    place, angles = scene.target[:3], scene.target[3:]
    up = shifted(place, z=_CLEARANCE)
    scene = yield from go(scene, up, angles, CLOSE, f"lift {block.name} a little", speed=0.5)
    turned = shifted(angles, z=sign * _TURN)
    scene = yield from go(scene, up, turned, CLOSE, _words(block.name, sign))
    return (yield from grip(scene, OPEN, f"let {block.name} go"))


def _turn_in_hand(scene: Scene, color: str, sign: int) -> Script:
    """Turn the block that is held already, and lower it onto what is below it."""
    block = scene.blocks[color]
    place, turned = scene.target[:3], shifted(scene.target[3:], z=sign * _TURN)
    scene = yield from go(scene, place, turned, CLOSE, _words(block.name, sign))
    return (yield from go(scene, shifted(place, z=-0.1), turned, CLOSE, f"lower {block.name}", speed=0.3))


def _words(name: str, sign: int) -> str:
    return f"rotate {name} to the {'left' if sign > 0 else 'right'}"
