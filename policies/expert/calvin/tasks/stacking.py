"""Putting a block onto another, and taking it off."""

from __future__ import annotations

from mmact_eval.policies.expert.calvin import table
from mmact_eval.policies.expert.calvin.aside import empty_hand
from mmact_eval.policies.expert.calvin.grasping import grasp, grasp_again
from mmact_eval.policies.expert.calvin.hand import euler_of, level
from mmact_eval.policies.expert.calvin.motion import CLOSE, OPEN
from mmact_eval.policies.expert.calvin.scene import Block, Scene
from mmact_eval.policies.expert.calvin.script import Script, go, grip, retreat, shifted, travel

_ABOVE = 0.074
"""Height above the lower block at which the upper one's middle comes to it, m."""

_DROP = 0.004
"""What is left between them when the fingers open, m."""


def stack(scene: Scene, attempt: int) -> Script:
    """Set the block in the hand onto one that stands on the table, and let go."""
    scene = yield from (retreat(scene) if scene.held else grasp_again(scene, attempt))
    block = scene.held
    if block is None:
        return (yield from grip(scene, OPEN, "let go"))
    base = _base(scene, block)
    angles = euler_of(level(scene, block))
    above = shifted(base.position + scene.position - block.position, z=base.half_height + _ABOVE)
    scene = yield from travel(scene, above, angles, CLOSE, f"move {block.name} above {base.name}")
    held = scene.blocks[block.color]
    base = scene.blocks[base.color]
    place = scene.position + base.position - held.position
    place = shifted(place, z=base.half_height + held.half_height + _DROP)
    scene = yield from go(scene, place, angles, CLOSE, f"set {block.name} down", speed=0.3, tolerance=0.02)
    scene = yield from grip(scene, OPEN, f"let {block.name} go")
    return (yield from go(scene, shifted(scene.position, z=0.1), scene.target[3:], OPEN, "rise", speed=0.5))


def unstack(scene: Scene, attempt: int) -> Script:
    """Lift the upper block."""
    scene = yield from empty_hand(scene)
    upper = max(scene.blocks.values(), key=lambda block: (block.bodies <= set(scene.blocks), block.position[2]))
    scene = yield from grasp(scene, upper.color, attempt)
    up = shifted(scene.position, z=0.1)
    return (yield from go(scene, up, scene.target[3:], CLOSE, f"lift {upper.name}", speed=0.5))


def _base(scene: Scene, held: Block) -> Block:
    others = [block for block in scene.blocks.values() if block.color != held.color]
    return min(others, key=lambda block: (not _firm(block), abs(block.position[0] - 0.1)))


def _firm(block: Block) -> bool:
    """Whether it stands on the table, and not in it."""
    return block.stands_on("base_link") and block.position[2] > table.TOP + block.half_height - 0.01
