"""Displaces an object of a LIBERO scene, as if somebody had pushed it aside, for protocols with a disturbance.

Only where that is physically possible: not while the robot touches the object, and not into anything else. What would
collide is found out on a copy of the simulation, because even a `mj_forward` changes what comes after it.
"""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmact_eval.envs.libero.simulation.scene import ROBOT_PREFIXES

_DIRECTIONS = 8
"""So many directions are tried, evenly spaced around the circle, the first of them drawn."""

_TOLERANCE = 0.002
"""By so many metres the displaced object may press deeper into something than before; resting contacts do a little."""


def displace_goal_object(problem: Any, rng: np.random.Generator, metres: float) -> str:
    """Displace the first movable object that the goal names, horizontally and without turning it.

    Args:
        problem: the robosuite environment.
        rng: draws the direction; one number, whatever the scene.
        metres: how far.

    Returns:
        What was done, in words; "" if nothing was: the goal names no free object, the robot touches it, or it would
        collide with something in every direction.
    """
    first = rng.uniform(0.0, 2.0 * np.pi)
    name, joint = _goal_object(problem)
    if joint < 0:
        return ""
    model, data = problem.sim.model._model, problem.sim.data._data
    body = int(model.jnt_bodyid[joint])
    own = np.asarray(model.body_rootid)[np.asarray(model.geom_bodyid)] == body
    touched = _depths(model, data, own)
    if any((mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_BODY, other) or "").startswith(ROBOT_PREFIXES)
           for other in touched):  # fmt: skip
        return ""
    address = int(model.jnt_qposadr[joint])
    for angle in first + np.arange(_DIRECTIONS) * 2.0 * np.pi / _DIRECTIONS:
        offset = metres * np.array([np.cos(angle), np.sin(angle)])
        if _fits(model, data, own, touched, address, offset):
            data.qpos[address : address + 2] += offset
            return f"{name} moved by {100 * offset[0]:+.1f}, {100 * offset[1]:+.1f} cm (world x, y)"
    return ""


def _goal_object(problem: Any) -> tuple[str, int]:
    """Name and free joint (its number in the model) of the first object in the goal that has one; ("", -1) if none."""
    model = problem.sim.model
    for predicate in problem.parsed_problem["goal_state"]:
        for word in predicate[1:]:
            if word not in problem.objects_dict:
                continue  # a fixture, or a region
            for joint in problem.objects_dict[word].joints:
                index = int(model.joint_name2id(joint))
                if int(model.jnt_type[index]) == mujoco.mjtJoint.mjJNT_FREE:
                    return str(word), index
    return "", -1


def _fits(
    model: Any, data: Any, own: NDArray[np.bool_], before: dict[int, float], address: int, offset: NDArray[np.float64]
) -> bool:
    """Whether the object, displaced, would touch nothing new and press no deeper into what it touches."""
    copy = mujoco.MjData(model)
    copy.qpos[:] = data.qpos
    copy.qpos[address : address + 2] += offset
    mujoco.mj_kinematics(model, copy)
    mujoco.mj_comPos(model, copy)
    mujoco.mj_collision(model, copy)
    after = _depths(model, copy, own)
    return all(depth <= max(before.get(body, 0.0), 0.0) + _TOLERANCE for body, depth in after.items())


def _depths(model: Any, data: Any, own: NDArray[np.bool_]) -> dict[int, float]:
    """Body → how deep (m) the object's geoms, `own`, press into it, of all bodies in contact."""
    found: dict[int, float] = {}
    for contact in data.contact[: data.ncon]:
        one, other = int(contact.geom1), int(contact.geom2)
        if own[one] == own[other]:
            continue
        body = int(model.geom_bodyid[other if own[one] else one])
        found[body] = max(found.get(body, 0.0), -float(contact.dist))
    return found
