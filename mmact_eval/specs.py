"""What an environment offers and what a policy needs, as data that can be compared before any rollout.

A robot policy that gets a flipped image or an inverted gripper does not crash, it scores 0 %. So nothing is
guessed: conventions are stated on both sides and `mmact_eval.compat` compares them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmact_eval.errors import UsageError


@dataclass(frozen=True)
class ActionSpec:
    """The meaning of an action vector.

    Attributes:
        dim: length of one action.
        control: what the numbers command, e.g. ``ee_delta_pose``, ``ee_pose``, ``joint_position``.
        frame: frame of the command, e.g. ``base``, ``world``, ``tool``.
        rotation: rotation format, e.g. ``axis_angle``, ``quat_wxyz``; "" where there is none.
        gripper: meaning of the gripper value, e.g. ``-1 open, +1 close``; "" where there is none.
        low, high: range of every element.
        hz: control frequency in Hz; 0 if an action has no fixed duration.
        description: in words, what a number of 1 is and in which unit, e.g. ``position: 1 is 0.05 m``. For readers
            alone: it is not compared and no part of a fingerprint.
    """

    dim: int
    control: str
    frame: str = ""
    rotation: str = ""
    gripper: str = ""
    low: float = -1.0
    high: float = 1.0
    hz: float = 20.0
    description: str = field(default="", compare=False)

    @property
    def open_gripper(self) -> float:
        """The number that stands before "open" in the gripper's description; the lowest value if none does."""
        found = re.search(r"([-+]?\d+(?:\.\d+)?)\s*:?\s*open", self.gripper.replace("−", "-"))
        return float(found[1]) if found else self.low


@dataclass(frozen=True)
class StateSpec:
    """A named state vector: its length and, in words, its unit, frame and order (``xyzw`` quaternions and so on)."""

    dim: int
    description: str


@dataclass(frozen=True)
class Physics:
    """What moves the objects. Results of two families are not comparable, whatever else is equal.

    Attributes:
        engine: the simulator and its version, e.g. ``MuJoCo 3.3.7``.
        family: ``published`` for the one that the benchmark's published numbers were made in, else another word.
        pictures: the same of what its renderer draws, which may change at another version than the physics.
    """

    engine: str
    family: str
    pictures: str = "published"


@dataclass(frozen=True)
class EnvSpec:
    """What an environment offers under a suite's protocol.

    Attributes:
        name: plug-in name.
        cameras: camera name → (height, width) in pixels.
        image_convention: orientation of the images, in words, e.g. ``rotated 180°``.
        state: state key → its spec.
        action: the action convention.
        privileged: whether simulator ground truth can be had (`Observation.privileged`).
        not_real: what is not the real thing (proxy assets, say), "" if nothing; shown in every table.
        pictures_differ: how its pictures differ from those that published numbers were made with, "" if they do not;
            noted in the tables of policies that look at cameras.
        proprioception: the state keys that, one after the other, make up the state vector policies are commonly
            trained on; empty for all of them.
        disturbable: whether its environments have `disturb` (see `mmact_eval.optional.Disturbs`).
        physics: which physics it runs in, if benchmarks of it were published in a certain one; part of the fingerprint.
        stages: the most stages an episode of it can have (see `mmact_eval.suite.Protocol`); 1 where it has one
            instruction.
    """

    name: str
    cameras: Mapping[str, tuple[int, int]]
    image_convention: str
    state: Mapping[str, StateSpec]
    action: ActionSpec
    privileged: bool = False
    not_real: str = ""
    pictures_differ: str = ""
    proprioception: tuple[str, ...] = ()
    disturbable: bool = False
    physics: Physics | None = None
    stages: int = 1


@dataclass(frozen=True)
class PolicySpec:
    """What a policy needs and gives.

    Attributes:
        name: shown in tables.
        action: the convention of the actions it returns.
        chunk: how many actions it returns for a query (the longest, if that varies).
        replan: how many of them it wants executed before the next query; None for the whole chunk.
            A suite's protocol may override it.
        cameras: cameras it looks at; only these are rendered.
        state: state keys it reads.
        image_size: (height, width) it needs its images in; None if it resizes by itself.
        image_convention: orientation it was trained on, in the environment's words; "" if it takes what comes.
        privileged: whether it needs simulator ground truth.
        checkpoint: where its weights come from, "" if it has none.
        deterministic: whether the same queries give the same bits (batch size aside).
        not_real: what is not the real thing (random weights, say), "" if nothing; shown in every table.
        config: everything else that defines its behaviour; part of the run's fingerprint.
        chunk_varies: whether it may well answer with fewer actions than `chunk`; else tables name a shorter answer.
    """

    name: str
    action: ActionSpec
    chunk: int
    replan: int | None = None
    cameras: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    image_size: tuple[int, int] | None = None
    image_convention: str = ""
    privileged: bool = False
    checkpoint: str = ""
    deterministic: bool = True
    not_real: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    chunk_varies: bool = False


_ONE_ARM = 8
"""The longest action of one arm with a gripper: seven joints and the gripper, or position, quaternion and gripper."""


def gripper_columns(action: ActionSpec) -> NDArray[np.bool_]:
    """Which numbers of an action are a gripper's: (D,) booleans.

    Raises:
        UsageError: there is a gripper, and it is not known where: with two arms it is not the last number alone.
    """
    columns = np.zeros(action.dim, bool)
    if action.gripper and action.dim > _ONE_ARM:
        raise UsageError(f"this works with one arm; which of {action.dim} numbers are grippers is not known.")
    columns[-1] = bool(action.gripper)
    return columns


def still_action(action: ActionSpec) -> NDArray[np.float32]:
    """The (D,) float32 action that moves nothing, the gripper open.

    Raises:
        UsageError: actions are absolute, so that standing still depends on where the robot is; or as `gripper_columns`.
    """
    if "delta" not in action.control:
        raise UsageError(f'"{action.control}" actions are no deltas: which of them stands still is not known.')
    return np.where(gripper_columns(action), action.open_gripper, 0.0).astype(np.float32)


TRAINED_ON = "trained_on"
"""Key of `PolicySpec.config`: suite → init states that a policy was trained on, as `in_ranges` writes them."""


def in_ranges(numbers: Iterable[int]) -> str:
    """``0-2,7`` for 0, 1, 2 and 7."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
