"""From goal predicates to skills: what to do, and in which order.

A new skill is a class with the interface of `Skill` and a line in `SKILLS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from mmact_eval.errors import UsageError
from mmact_eval.policies.expert.moving.motion import Command
from mmact_eval.policies.expert.skills.articulation import joints_of, openness
from mmact_eval.policies.expert.skills.knob import Knob
from mmact_eval.policies.expert.skills.open_close import OpenClose
from mmact_eval.policies.expert.skills.put import Put
from mmact_eval.policies.expert.world import Predicate, World

_OPEN_ENOUGH = 0.6
"""Share of its range that a drawer or door has to be open before something is put in."""


class Skill(Protocol):
    """Makes one predicate true, step by step. Its attributes are all that it remembers between queries."""

    def __init__(self, predicate: Predicate, world: World) -> None: ...

    @staticmethod
    def check(predicate: Predicate, world: World) -> None:
        """Raise a UsageError that says why, if the predicate is out of reach in the scene at the start."""
        ...

    def next(self, world: World) -> Command | None:
        """What to do until the next query, or None when it has done what it can (the predicate may not hold)."""
        ...


SKILLS: Mapping[str, type[Skill]] = {
    "in": Put,
    "on": Put,
    "open": OpenClose,
    "close": OpenClose,
    "turnon": Knob,
    "turnoff": Knob,
}
"""Predicate name → the skill that makes it true."""


def check_goal(world: World) -> None:
    """Refuse a goal that the expert cannot reach, before it moves.

    Raises:
        UsageError: names the predicate without a skill, or the place that cannot be reached.
    """
    for predicate in world.goal:
        if predicate[0] not in SKILLS:
            able = ", ".join(repr(name) for name in SKILLS)
            raise UsageError(
                f"the expert has no skill for {predicate[0]!r} yet (goal: {' '.join(predicate)}); it can do {able}"
            )
    for predicate in world.goal:
        first = prerequisite(predicate, world) or predicate  # a place may only be reachable once it is open
        SKILLS[first[0]].check(first, world)


def in_order(goal: tuple[Predicate, ...], world: World) -> list[Predicate]:
    """The predicates, in an order in which none undoes or obstructs another.

    First what only stands in the way is closed, then things are opened and switched (a hand does not get at the knob
    over a pan as well as before it), then objects are placed, what carries something before its load, and what
    something was put into is closed last.
    """
    places = {predicate[2] for predicate in goal if len(predicate) > 2}
    filled = places | {world.regions[place].parent for place in places if place in world.regions}

    def stage(predicate: Predicate) -> int:
        if len(predicate) > 2:
            return 2
        if predicate[0] == "close":
            return 3 if predicate[1] in filled else 0
        return 1

    waiting = sorted(goal, key=stage)  # stable
    ordered: list[Predicate] = []
    while waiting:
        first = [predicate for predicate in waiting if stage(predicate) == stage(waiting[0])]
        placed = {predicate[1] for predicate in first}
        ready = [predicate for predicate in first if len(predicate) < 3 or predicate[2] not in placed]
        ordered.append(ready[0] if ready else first[0])  # a cycle cannot be satisfied; any order will do
        waiting.remove(ordered[-1])
    return ordered


def prerequisite(predicate: Predicate, world: World) -> Predicate | None:
    """What has to be true before a predicate can be worked on: a drawer or door is opened before it is filled."""
    if predicate[0] != "in" or predicate[2] not in world.regions:
        return None
    region = world.regions[predicate[2]]
    joints = joints_of(region.name, world) or joints_of(region.parent, world)
    if not joints or max(openness(joint) for joint in joints) > _OPEN_ENOUGH:
        return None
    return ("open", region.name if region.joints else region.parent)


class Plan:
    """The progress of one episode: which predicate is being worked on, and by which skill.

    Args:
        world: the scene at the start.

    Raises:
        UsageError: the goal is out of reach; see `check_goal`.
    """

    def __init__(self, world: World) -> None:
        check_goal(world)
        self._skill: Skill | None = None

    def next(self, world: World) -> Command | None:
        """What to do until the next query, or None if every predicate holds.

        Predicates are looked at afresh whenever a skill ends, so that what came undone is done again.
        """
        for _ in range(2):  # one skill may end and the next one begin at the same query
            if self._skill is not None:
                command = self._skill.next(world)
                if command is not None:
                    return command
                self._skill = None
            unmet = [predicate for predicate in in_order(world.goal, world) if not world.holds(predicate)]
            if not unmet:
                return None
            first = prerequisite(unmet[0], world) or unmet[0]
            self._skill = SKILLS[first[0]](first, world)
        return None
