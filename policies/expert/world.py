"""A typed view of the simulator ground truth that an environment puts into `Observation.privileged`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmact_eval.errors import UsageError
from mmact_eval.policies.expert.geometry import Array, Boxes

Predicate = tuple[str, ...]
ROOM = ""
"""Owner of the boxes that belong to no object or fixture: floor, table, walls."""


@dataclass(frozen=True)
class Body:
    """An object or a fixture: where its root body is. The benchmark's predicates look at this position."""

    name: str
    movable: bool
    position: Array
    rotation: Array


@dataclass(frozen=True)
class Region:
    """A box-shaped site: where things are to be put.

    Attributes:
        parent: the object or fixture that it belongs to, "" for a zone of the room.
        joints: names of the joints that move it or give access to it (the slide of its drawer, say).
    """

    name: str
    position: Array
    rotation: Array
    half_size: Array
    parent: str
    joints: tuple[str, ...] = ()

    @property
    def extent(self) -> Array:
        """Half sizes (3,) along the world axes, the way the benchmark's `in` computes them."""
        extent: Array = np.abs(self.rotation @ self.half_size)
        return extent


@dataclass(frozen=True)
class Joint:
    """A drawer's slide, or the hinge of a door or a knob.

    Attributes:
        owner: the fixture it belongs to.
        link: the simulator body that it moves; see `World.link_boxes`.
        slides: whether it is a slide (metres) rather than a hinge (radians).
        position, low, high: where it is, and its range.
        anchor, axis: a point on the axis (3,) and the direction (3,) of positive motion or, right-handed, rotation.
    """

    name: str
    owner: str
    link: str
    slides: bool
    position: float
    low: float
    high: float
    anchor: Array
    axis: Array


@dataclass(frozen=True)
class Robot:
    """Gripper pose and velocity (grip site; x is the closing direction, z points out of the hand), fingers, contacts.

    Attributes:
        opening: distance between the finger pads in metres, 0 closed, about 0.08 open.
        touching: for the left and the right finger, the names of the objects and fixtures that it touches.
        base: where the arm is mounted, (3,).
    """

    position: Array
    rotation: Array
    velocity: Array
    opening: float
    touching: tuple[frozenset[str], frozenset[str]]
    base: Array

    def pinches(self, name: str) -> bool:
        """Whether both fingers touch this object."""
        return name in self.touching[0] and name in self.touching[1]


class World:
    """One moment of the scene.

    Args:
        scene: what `mmact_eval.envs.libero.simulation.scene.SceneReader.read` returns.
        steady: whether things are to be held alike in scenes that are alike.

    Raises:
        UsageError: there is no scene, or it lacks what the expert needs.
    """

    def __init__(self, scene: Mapping[str, Any] | None, steady: bool = False) -> None:
        if scene is None:
            raise UsageError(
                "the expert needs the simulator's ground truth, and this environment gives none: use it on LIBERO"
            )
        missing = [key for key in ("time", "goal", "bodies", "boxes", "regions", "joints", "robot") if key not in scene]
        if missing:
            raise UsageError(f"the expert cannot read this environment's ground truth: it lacks {', '.join(missing)}")
        self._scene = scene
        self.steady = steady
        self.time = float(scene["time"])
        self.goal: tuple[Predicate, ...] = tuple(
            tuple(str(word).lower() if place == 0 else str(word) for place, word in enumerate(predicate))
            for predicate in scene["goal"]
        )
        holds = scene.get("goal_holds", ())
        self._holds = dict(zip(self.goal, (bool(value) for value in holds), strict=False))
        robot = scene["robot"]
        contacts = robot["finger_contacts"]
        self.robot = Robot(
            position=np.asarray(robot["eef_position"], dtype=float),
            rotation=np.asarray(robot["eef_rotation"], dtype=float),
            velocity=np.asarray(robot["eef_velocity"], dtype=float),
            opening=float(np.abs(robot["gripper_qpos"]).sum()),
            touching=(frozenset(contacts["left"]), frozenset(contacts["right"])),
            base=np.asarray(robot["base_position"], dtype=float),
        )

    @property
    def wrist_angle(self) -> float:
        """Position of the arm's last joint, radians from the middle of its range."""
        return float(self._scene["robot"]["joint_positions"][-1])

    def holds(self, predicate: Predicate) -> bool:
        """Whether a goal predicate is true now, by the benchmark's own check; false if that is not known."""
        return self._holds.get(predicate, False)

    @cached_property
    def bodies(self) -> dict[str, Body]:
        """All objects and fixtures by name."""
        return {
            name: Body(
                name=name,
                movable=body["kind"] == "object",
                position=np.asarray(body["position"], dtype=float),
                rotation=np.asarray(body["rotation"], dtype=float),
            )
            for name, body in self._scene["bodies"].items()
        }

    @cached_property
    def regions(self) -> dict[str, Region]:
        """All regions by name."""
        return {
            name: Region(
                name=name,
                position=np.asarray(region["position"], dtype=float),
                rotation=np.asarray(region["rotation"], dtype=float),
                half_size=np.asarray(region["half_size"], dtype=float),
                parent=str(region["parent"]),
                joints=tuple(region["joints"]),
            )
            for name, region in self._scene["regions"].items()
        }

    @cached_property
    def joints(self) -> dict[str, Joint]:
        """The joints of all fixtures by name."""
        return {
            name: Joint(
                name=name,
                owner=str(joint["owner"]),
                link=str(joint["link"]),
                slides=joint["type"] == "slide",
                position=float(joint["position"]),
                low=float(joint["range"][0]),
                high=float(joint["range"][1]),
                anchor=np.asarray(joint["anchor"], dtype=float),
                axis=np.asarray(joint["axis"], dtype=float),
            )
            for name, joint in self._scene["joints"].items()
        }

    @cached_property
    def all_boxes(self) -> Boxes:
        """Collision boxes of everything but the robot; `owner_of_box` says whose they are."""
        boxes = self._scene["boxes"]
        return Boxes(
            np.asarray(boxes["centers"], dtype=float),
            np.asarray(boxes["rotations"], dtype=float),
            np.asarray(boxes["half_sizes"], dtype=float),
        )

    @cached_property
    def owner_of_box(self) -> NDArray[np.str_]:
        """Name of the owner of each of `all_boxes`, (N,)."""
        boxes = self._scene["boxes"]
        names: NDArray[np.str_] = np.asarray(boxes["owner_names"], dtype=np.str_)[np.asarray(boxes["owners"])]
        return names

    def boxes(self, owner: str) -> Boxes:
        """Collision boxes of one object or fixture, or of the room (`ROOM`)."""
        return self.all_boxes.pick(self.owner_of_box == owner)

    def link_boxes(self, link: str) -> Boxes:
        """Collision boxes of one simulator body, such as a drawer without its cabinet."""
        boxes = self._scene["boxes"]
        names = np.asarray(boxes["link_names"], dtype=np.str_)[np.asarray(boxes["links"])]
        return self.all_boxes.pick(names == link)

    def obstacles(self, *excluded: str) -> Boxes:
        """Collision boxes of all objects and fixtures but the excluded ones; the room is left out too."""
        return self.all_boxes.pick(~np.isin(self.owner_of_box, [ROOM, *excluded]))

    def support_height(self, center: Array, excluded: str, radius: float = 0.02) -> float:
        """Height of the highest surface under a point (3,), among everything but `excluded`.

        Raises:
            UsageError: there is nothing underneath.
        """
        boxes = self.all_boxes.pick(self.owner_of_box != excluded)
        corners = boxes.corners()
        low, high = corners.min(axis=1), corners.max(axis=1)
        under = np.all((low[:, :2] - radius < center[:2]) & (center[:2] < high[:, :2] + radius), axis=1)
        under &= high[:, 2] < center[2]
        if not under.any():
            raise UsageError(f"the expert found no surface under {excluded!r}: the scene is not one it understands")
        return float(high[under, 2].max())
