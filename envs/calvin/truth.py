"""The ground truth of a CALVIN scene as a policy may get it: plain data."""

from __future__ import annotations

from typing import Any

from mmact_eval.envs.calvin.world import World


def truth(world: World, task: str) -> dict[str, Any]:
    """What `Observation.privileged` holds.

    Args:
        world: the scene.
        task: name of the task under way.

    Returns:
        ``task``, ``scene`` (its letter), ``robot_obs`` (15,), ``scene_obs`` (24,); ``robot_target`` (6,), position (m)
        and Euler angles (rad) that the controller goes to and actions add to; ``slide``, ``drawer`` and ``switch`` in
        m; ``lightbulb`` and ``led``, whether they burn; ``blocks``: colour → ``size`` (its name), ``position`` (3,) in
        m, ``quaternion`` (4,) xyzw, ``touches``, a list of (body, link); ``robot_touches``, a list of bodies.
    """
    facts = world.facts()
    scene_obs = world.scene_obs()
    sizes = dict(world.scene.blocks)
    return {
        "task": task,
        "scene": world.scene.name,
        "robot_obs": world.robot_obs(),
        "scene_obs": scene_obs,
        "robot_target": world.robot.target(),
        "slide": facts.slide,
        "drawer": facts.drawer,
        "switch": float(scene_obs[3]),
        "lightbulb": facts.lamp,
        "led": facts.led,
        "blocks": {
            color: {
                "size": sizes[color],
                "position": block.position,
                "quaternion": block.quaternion,
                "touches": sorted(block.touches),
            }
            for color, block in facts.blocks.items()
        },
        "robot_touches": sorted(facts.robot_bodies),
    }
