"""The skill behind `in` and `on`: take hold of an object from above, carry it, put it down."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mmact_eval.policies.expert.geometry import Array, axis_rotation
from mmact_eval.policies.expert.grasping.candidates import Grasp
from mmact_eval.policies.expert.moving.hand import TIP_BELOW_SITE
from mmact_eval.policies.expert.moving.motion import CLOSE, OPEN, Command, turn_between
from mmact_eval.policies.expert.moving.placement import Placement, plan_placement
from mmact_eval.policies.expert.moving.reach import ceiling, shortfall
from mmact_eval.policies.expert.moving.release import roomy_spot
from mmact_eval.policies.expert.moving.transport import FIRST_LIFT, carrying_rotation, travel_height, way_up
from mmact_eval.policies.expert.skills.pick import PATIENCE, Pick, spoken
from mmact_eval.policies.expert.world import Predicate, World

_POINTING = np.array([0.0, 0.0, 1.0])


class PickPlace(Pick):
    """Makes ``in object region`` or ``on object place`` true.

    Args:
        predicate: ``(relation, object, place)``.
        world: the scene at the start.
    """

    def __init__(self, predicate: Predicate, world: World) -> None:
        super().__init__(predicate, world)
        self._phases |= {
            "lift": self._lift,
            "carry": self._carry,
            "lower": self._lower,
            "release": self._release,
            "retreat": self._retreat,
        }
        if world.robot.pinches(self._object):
            self._hold_on(world)

    @staticmethod
    def check(predicate: Predicate, world: World) -> None:
        """Refuse a place that cannot be reached from above.

        Raises:
            UsageError: see `plan_placement`.
        """
        plan_placement(predicate, world)

    def _begin(self, world: World) -> None:
        super()._begin(world)
        self._placement: Placement | None = None
        self._sidestep: Array | None = None
        self._turned: Array = self._grasp.rotation  # while it is carried
        self._lowered: Array = self._grasp.rotation  # while it is set down

    def _hold_on(self, world: World) -> None:
        """The object is in the hand already (somebody else acted before): go on from there."""
        robot = world.robot
        self._grasp = Grasp(robot.position, robot.rotation, robot.opening, 0.0)
        self._turned = self._lowered = robot.rotation
        self._held_offset = self._offset(world)
        self._enter("lift", world)

    # The phases; see `Pick`.

    def _lift(self, world: World) -> Command | str:
        if self._slipped(world) or self._overdue(world):
            return "retry"
        robot = world.robot
        placement = self._place(world)
        height = self._carry_height(world, placement)
        if robot.position[2] > height - 0.02 or self._at_rest(world):
            return "carry"
        if self._sidestep is None:
            self._sidestep = way_up(world, self._object, self._grasp.rotation, height)
        goal, rotation, text = self._from + self._sidestep, self._grasp.rotation, f"lift the {spoken(self._object)}"
        if robot.position[2] < self._from[2] + FIRST_LIFT - 0.005:
            # Slowly: the fingers are still building up force.
            start = np.array([*self._from[:2], height if not self._sidestep.any() else self._from[2] + FIRST_LIFT])
            return Command(start, rotation, CLOSE, text, speed=0.4, stop_at=0.004)
        aside = float(np.linalg.norm((robot.position - goal)[:2]))
        if self._sidestep.any() and aside > 0.01 and robot.position[2] < self._from[2] + 2.0 * FIRST_LIFT:
            goal[2] += FIRST_LIFT
            return Command(goal, rotation, CLOSE, text, speed=0.7, stop_at=0.008)
        goal[2] = height
        return Command(goal, carrying_rotation(rotation, self._from, goal, robot.base), CLOSE, text)

    def _carry(self, world: World) -> Command | str:
        if self._slipped(world) or self._overdue(world):
            return "retry"
        placement = self._place(world)
        goal = self._over(world, placement, self._carry_height(world, placement))
        near = float(np.linalg.norm((world.robot.position - goal)[:2]))
        turned = turn_between(world.robot.rotation, self._turned)
        if near < (0.006 if placement.gentle else 0.012) and turned < 0.15:
            return "lower"
        if self._at_rest(world) and near < 0.03:
            return "lower"
        return Command(goal, self._turned, CLOSE, self._carrying("carry"), stop_at=0.005)

    def _lower(self, world: World) -> Command | str:
        if self._slipped(world):
            return "retry"
        placement = self._place(world)
        height = self._release_height(world, placement)
        there = world.robot.position[2] < height + (0.004 if placement.gentle else 0.015)
        if there or self._at_rest(world) or self._overdue(world):
            return "release"
        goal = self._over(world, placement, height)
        # The last centimetres onto a surface are slow.
        last = placement.gentle and world.robot.position[2] < height + 0.05
        if placement.gentle and not last:
            goal[2] += 0.03
        return Command(goal, self._lowered, CLOSE, self._carrying("lower"), speed=0.4 if last else 1.0, stop_at=0.003)

    def _release(self, world: World) -> Command | str:
        waited = world.time - self._since
        opened = world.robot.opening > 0.07 or waited > PATIENCE["release"]
        sticks = any(self._object in touched for touched in world.robot.touching)
        if opened and (self._place(world).gentle or not sticks or waited > PATIENCE["shake"]):
            return "retreat"
        text = f"let go of the {spoken(self._object)}"
        if not opened:
            return Command(self._from, self._lowered, OPEN, text)
        # A finger can be wedged into thin collision geometry (the gable of a juice carton): shake the object off
        # while it is over its container.
        side = 1.0 if int(waited / 0.3) % 2 else -1.0
        goal = self._from + 0.02 * side * self._lowered[:, 1]
        return Command(goal, self._lowered @ axis_rotation(_POINTING, 0.5 * side), OPEN, text)

    def _retreat(self, world: World) -> Command | str:
        goal = self._from + np.array([0.0, 0.0, 0.1])
        if world.robot.position[2] > goal[2] - 0.02 or self._at_rest(world) or self._overdue(world):
            return "done"
        return Command(goal, self._lowered, OPEN, "draw back", stop_at=0.01)

    # What the phases look at.

    def _place(self, world: World) -> Placement:
        if self._placement is None:
            placement = plan_placement(self._predicate, world)
            release = self._release_height(world, placement)
            goal = self._over(world, placement, release)
            base, held, rotation = world.robot.base, self._grasp.position, self._grasp.rotation
            self._lowered = carrying_rotation(rotation, held, goal, base)
            region = world.regions.get(self._predicate[2])
            if region is not None and not placement.gentle:
                spot, turn = roomy_spot(world, self._object, placement, region, self._lowered)
                placement = replace(placement, spot=spot)
                rotation = axis_rotation(_POINTING, turn) @ rotation
                goal = self._over(world, placement, release)
                self._lowered = carrying_rotation(rotation, held, goal, base)
            self._placement = placement
            travel = travel_height(world, self._from, goal, self._hang(world), self._object)
            for height in (max(travel, release), release + 0.12, release):
                goal[2] = height
                self._turned = carrying_rotation(rotation, held, goal, base)
                if shortfall(goal, self._turned, base) <= 0.0:
                    break
        return self._placement

    def _over(self, world: World, placement: Placement, height: float) -> Array:
        """Where the gripper has to be so that the object is over its spot."""
        offset = world.robot.position - world.bodies[self._object].position
        return np.array([*(placement.spot + offset[:2]), height])

    def _hang(self, world: World) -> float:
        """How far the object, or else the finger tips, reach below the grip site."""
        lowest = float(world.boxes(self._object).bounds()[0][2])
        return max(TIP_BELOW_SITE, float(world.robot.position[2]) - lowest)

    def _carry_height(self, world: World, placement: Placement) -> float:
        goal = np.array([*placement.spot, placement.bottom])
        hang = self._hang(world)
        highest = ceiling(self._over(world, placement, placement.bottom + hang), self._turned, world.robot.base)
        travel = min(travel_height(world, self._from, goal, hang, self._object), highest)
        return max(travel, placement.bottom + hang + 0.01)

    def _release_height(self, world: World, placement: Placement) -> float:
        lowest = float(world.boxes(self._object).bounds()[0][2])
        hang = float(world.robot.position[2]) - lowest
        return max(placement.bottom + hang, placement.fingers + TIP_BELOW_SITE)

    def _carrying(self, verb: str) -> str:
        relation = "into" if self._predicate[0] == "in" else "onto"
        return f"{verb} the {spoken(self._object)} {relation} the {spoken(self._predicate[2])}"
