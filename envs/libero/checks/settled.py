"""Do scenes come to rest where they should? Positions recorded from upstream's loop, and a look at what still moves.

`verify` compares two loops on one MuJoCo, so it cannot see that a newer one settles a scene otherwise. settled.json
holds where the free objects of each task stood after the ten settle steps in upstream's loop on MuJoCo 3.2.3, which
published harnesses pin; `scripts/record_settled.py` wrote it.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

# MuJoCo's mjJNT_FREE, stable since 2.0; not imported, so that this module stays light.
_FREE_JOINT = 0

TOLERANCE = 0.002
"""Metres. MuJoCo 3.2.3 and 3.3.7 differ by less than a tenth of it; a changed collision moves objects by more."""

SEED = 0
"""The run's seed in the recordings, in seed mode ``episode``: it places the fixtures that objects stand on."""

_AT_REST = 0.02
"""Metres a second, what gravity adds in one substep: an object at rest may bounce by so much, which no camera sees."""


@dataclass(frozen=True)
class FreeObject:
    """A movable object of a scene, as it is now.

    Attributes:
        name: upstream's, e.g. ``akita_black_bowl_1``.
        position: (3,) of its origin in the world frame, m.
        speed: of its origin, m/s.
        touches: whether it is in contact with anything.
        in_goal: whether the task's goal names it.
    """

    name: str
    position: NDArray[np.float64]
    speed: float
    touches: bool
    in_goal: bool


def free_objects(problem: Any) -> list[FreeObject]:
    """The movable objects of a robosuite environment of LIBERO, in its order; nothing is computed or changed."""
    model, data = problem.sim.model._model, problem.sim.data._data
    touching = _bodies_in_contact(model, data)
    goal = {word for predicate in problem.parsed_problem["goal_state"] for word in predicate[1:]}
    found = []
    for name, thing in problem.objects_dict.items():
        for joint in map(model.joint, thing.joints):
            if joint.type[0] == _FREE_JOINT:
                body = int(model.body_rootid[model.jnt_bodyid[joint.id]])
                position = np.array(data.qpos[joint.qposadr[0] :][:3])
                speed = float(np.linalg.norm(data.qvel[joint.dofadr[0] :][:3]))
                found.append(FreeObject(str(name), position, speed, body in touching, name in goal))
    return found


def _bodies_in_contact(model: Any, data: Any) -> set[int]:
    """Root bodies that touch another one."""
    bodies: set[int] = set()
    for contact in data.contact[: data.ncon]:
        pair = {int(model.body_rootid[model.geom_bodyid[geom]]) for geom in (contact.geom1, contact.geom2)}
        if len(pair) == 2:
            bodies |= pair
    return bodies


def not_at_rest(objects: list[FreeObject]) -> tuple[str, ...]:
    """A remark on each object that is in the air or still slides; what a policy sees first should stand still."""
    return tuple(
        f"{'the goal object' if thing.in_goal else 'the object'} {thing.name} "
        + ("moves" if thing.touches else "is in the air and falls")
        + f" at {100 * thing.speed:.0f} cm/s"
        for thing in objects
        if thing.speed > _AT_REST
    )


Scene = Mapping[str, tuple[float, float, float]]
"""Object → position in the world frame, m."""


@functools.cache
def _all() -> dict[str, dict[str, dict[str, dict[str, list[float]]]]]:
    text = (resources.files("mmact_eval.envs.libero.checks") / "settled.json").read_text(encoding="utf-8")
    scenes: dict[str, dict[str, dict[str, dict[str, list[float]]]]] = json.loads(text)["scenes"]
    return scenes


def recorded(benchmark: str, task: str) -> dict[int, Scene]:
    """Init state → where the task's objects stood after settling, for the init states that were recorded."""
    states = _all().get(benchmark, {}).get(task, {})
    return {int(index): {name: (x, y, z) for name, (x, y, z) in things.items()} for index, things in states.items()}


def gaps(recording: Scene, objects: list[FreeObject]) -> Iterator[tuple[str, float]]:
    """Each recorded object and its distance in metres from where it was recorded; infinite if it is not there."""
    now = {thing.name: thing.position for thing in objects}
    for name, position in recording.items():
        yield name, float(np.linalg.norm(now[name] - np.array(position))) if name in now else float("inf")
