"""What drawers, doors and knobs share: which joint a predicate is about, its handle, and phases of handling."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mmact_eval.errors import UsageError
from mmact_eval.policies.expert.geometry import Array, Boxes
from mmact_eval.policies.expert.moving.motion import Command, turn_between
from mmact_eval.policies.expert.world import Joint, Predicate, World

UP = np.array([0.0, 0.0, 1.0])
OPENING = ("open", "turnon")
"""Predicates that want the joint at the end of its range that is far from zero; the others want the other end."""
WIDE_OPEN = 0.9
"""Share of the range from which a drawer or door is open enough to put something in."""
_PAST_SLIDE, _PAST_HINGE = 0.01, 0.15
"""How much further than necessary things are moved, m and radians."""
_HAND_REACH = 0.13
"""How far a hand that is not upright may reach below or beside the grip site, m."""


def joints_of(name: str, world: World) -> list[Joint]:
    """The joints that a region or fixture is opened or switched with; empty for a name without any."""
    if name in world.regions:
        return [world.joints[joint] for joint in world.regions[name].joints if joint in world.joints]
    return [joint for joint in world.joints.values() if joint.owner == name]


def joint_of(predicate: Predicate, world: World) -> Joint:
    """The joint that a predicate with one argument is about.

    Raises:
        UsageError: the scene has none by that name.
    """
    found = joints_of(predicate[1], world)
    if not found:
        raise UsageError(f"the expert finds no drawer, door or knob {predicate[1]!r} (goal: {' '.join(predicate)})")
    return found[0]


def far_end(joint: Joint) -> float:
    """The end of the range that means open or on."""
    return joint.low if abs(joint.low) > abs(joint.high) else joint.high


def openness(joint: Joint) -> float:
    """0 at rest (closed, off) to 1 at the far end of the range."""
    return joint.position / far_end(joint)


def opening_axis(joint: Joint) -> Array:
    """The joint's axis (3,), turned so that positive motion opens."""
    axis: Array = joint.axis * np.sign(far_end(joint))
    return axis


def turned(vector: Array, axis: Array, angle: float) -> Array:
    """A vector (3,) or the columns of a matrix (3, 3), rotated about a unit axis by an angle in radians."""
    x, y, z = axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    rotation = np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * (cross @ cross)
    result: Array = rotation @ vector
    return result


def hand_rotation(pointing: Array, closing: Array, world: World) -> Array:
    """A hand that points along one direction and closes along another.

    Of the two that do, the one that takes less turning, seen from a wrist half way back to the middle of its range:
    the last joint has not room enough for both.
    """
    forward = pointing / np.linalg.norm(pointing)
    across = closing - forward * float(closing @ forward)
    across = across / np.linalg.norm(across)
    both = [np.stack([sign * across, np.cross(forward, sign * across), forward], axis=1) for sign in (1.0, -1.0)]
    current = world.robot.rotation
    reference = turned(current, current[:, 2], -0.5 * world.wrist_angle)
    return min(both, key=lambda rotation: turn_between(rotation, reference))


@dataclass(frozen=True)
class Handle:
    """What sticks out at the front of a drawer or door.

    Attributes:
        center: (3,) m.
        depth: half its size towards the front, m.
    """

    center: Array
    depth: float


def find_handle(boxes: Boxes, front: Array) -> Handle:
    """The foremost box of a link; a door's or drawer's handle is a bar with its mounts behind it."""
    reach = np.einsum("nij,j->ni", np.swapaxes(boxes.rotations, 1, 2), front)
    depths = (np.abs(reach) * boxes.half_sizes).sum(axis=1)
    best = int(np.argmax(boxes.centers @ front + depths))
    return Handle(boxes.centers[best], float(depths[best]))


class Handling(ABC):
    """A machine of phases that handles one joint: each returns its command, or the name of the next phase.

    ``"retry"`` begins anew with the next attempt, ``"done"`` ends.

    Args:
        predicate: ``open``, ``close``, ``turnon`` or ``turnoff`` and a region or fixture.
        world: the scene at the start.
    """

    patience: float = 6.0
    """Seconds until a phase without its own end is given up."""

    def __init__(self, predicate: Predicate, world: World) -> None:
        self._predicate = predicate
        self._opens = predicate[0] in OPENING
        self._joint_name = joint_of(predicate, world).name
        self._attempt = 0
        self._phases = self._list_phases()
        self._begin(world)

    @staticmethod
    def check(predicate: Predicate, world: World) -> None:
        """Refuse what is not in the scene.

        Raises:
            UsageError: see `joint_of`.
        """
        joint_of(predicate, world)

    def next(self, world: World) -> Command | None:
        """The command until the next query, or None once it has done what it can."""
        for _ in range(2 * len(self._phases) + 2):
            if self._phase == "done":
                return None
            answer = self._phases[self._phase](world)
            if isinstance(answer, Command):
                return answer
            if answer == "retry":
                self._attempt += 1
                self._begin(world)
            else:
                self._enter(answer, world)
        return None

    @abstractmethod
    def _list_phases(self) -> dict[str, Callable[[World], Command | str]]:
        """All phases by name, the first one first."""

    @abstractmethod
    def _plan(self, world: World) -> None:
        """Choose how to take hold, from `self._attempt`."""

    def _begin(self, world: World) -> None:
        self._plan(world)
        self._enter(next(iter(self._phases)), world)

    def _enter(self, phase: str, world: World) -> None:
        self._phase = phase
        self._since = world.time
        self._from = world.robot.position
        self._best = self._joint(world).position
        self._moved_at = world.time
        self._reached_at: float | None = None

    def _joint(self, world: World) -> Joint:
        return world.joints[self._joint_name]

    def _waited(self, world: World) -> float:
        return world.time - self._since

    def _stopped(self, world: World) -> bool:
        """Whether the hand has come to rest in this phase: as good as it gets."""
        return self._waited(world) > 0.4 and float(np.linalg.norm(world.robot.velocity[:3])) < 0.012

    def _idle(self, world: World) -> float:
        """Seconds since the joint last moved by a hundredth (m or rad) of its way."""
        position = self._joint(world).position
        if abs(position - self._best) > 0.004:
            self._best, self._moved_at = position, world.time
        return world.time - self._moved_at

    def _reached(self, world: World) -> bool:
        """Whether the joint is where it should be: the benchmark says so, or nobody asks and it is wide open."""
        if self._predicate in world.goal:
            return world.holds(self._predicate)
        share = openness(self._joint(world))
        return share > WIDE_OPEN if self._opens else share < 0.0

    def _finished(self, world: World) -> bool:
        """Whether the joint is a little past where it should be, so that letting go does not undo it."""
        if not self._reached(world):
            self._reached_at = None
            return False
        joint = self._joint(world)
        if self._reached_at is None:
            self._reached_at = joint.position
        past = abs(joint.position - self._reached_at)
        return past > (_PAST_SLIDE if joint.slides else _PAST_HINGE) or self._idle(world) > 0.3

    def _approach(self, world: World, goal: Array, rotation: Array, gripper: float, text: str) -> Command | None:
        """On the way to a pose in free space: over what is in between, turning; None when there."""
        robot = world.robot
        left = goal - robot.position
        aside = float(np.linalg.norm(left[:2]))
        turn = turn_between(robot.rotation, rotation)
        if float(np.linalg.norm(left)) < 0.012 and turn < 0.08:
            return None
        if self._stopped(world) and self._waited(world) > 1.0:
            return None
        height = max(float(goal[2]), travel_height(world, robot.position, goal, self._joint(world).owner))
        target = goal
        if aside > 0.05 or turn > 0.4:
            target = np.array([*goal[:2], height])
            if aside > 0.1 and robot.position[2] < height - 0.06:  # clear the obstacles first
                target = np.array([*(robot.position[:2] + 0.2 * left[:2]), height + 0.02])
        return Command(target, rotation, gripper, text, stop_at=0.006)

    def _spoken(self) -> str:
        return " ".join(word for word in self._predicate[1].split("_") if not word.isdigit() and word != "region")


def travel_height(world: World, start: Array, goal: Array, owner: str) -> float:
    """Height of the grip site at which a tilted hand touches nothing on its way, but for the fixture `owner`."""
    boxes = world.obstacles(owner)
    if len(boxes) == 0:
        return float(goal[2])
    corners = boxes.corners()
    low, high = corners.min(axis=1), corners.max(axis=1)
    path = start[:2] + np.linspace(0.0, 1.0, 12)[:, None] * (goal - start)[:2]
    outside = np.maximum(low[:, None, :2] - path, path - high[:, None, :2])
    near = (np.linalg.norm(np.maximum(outside, 0.0), axis=-1) < 0.09).any(axis=1)
    return float(high[near, 2].max()) + _HAND_REACH if near.any() else float(goal[2])
