"""Low-level motion: chunks of end-effector deltas that bring the gripper to a pose.

LIBERO's controller (robosuite's OSC_POSE with stiffness 150 and critical damping, goals re-anchored at the current
pose at 20 Hz) moves like two decoupled critically damped second-order systems, one for position and one for
orientation. That is solved exactly over one control step, so that a whole chunk can be predicted from the measured
position and velocity: the next query finds the gripper within millimetres of where the prediction ends.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmact_eval.policies.expert.geometry import Array, rotation_vector
from mmact_eval.policies.expert.world import Robot

MAX_TRANSLATION = 0.05
"""Metres commanded by an action value of 1."""
MAX_ROTATION = 0.5
"""Radians commanded by an action value of 1."""
OPEN, CLOSE = -1.0, 1.0

_STIFFNESS, _STEP = 150.0, 0.05
_GAIN = 1.6
"""Metres commanded per metre left. At 1 the arm stops millimetres short, as the controller has no integral term; from
2 on it overshoots by a tenth."""
_OMEGA = float(np.sqrt(_STIFFNESS))
_DECAY = float(np.exp(-_OMEGA * _STEP))
# Position and velocity after one step, from (command, velocity): the error e(t) = (u + (ωu − v) t) exp(−ωt).
_MOVE_PER_COMMAND = 1.0 - _DECAY * (1.0 + _OMEGA * _STEP)
_MOVE_PER_VELOCITY = _DECAY * _STEP
_SPEED_PER_COMMAND = _DECAY * _OMEGA**2 * _STEP
_SPEED_PER_VELOCITY = _DECAY * (1.0 - _OMEGA * _STEP)


@dataclass(frozen=True)
class Command:
    """What a skill wants until the next query.

    Attributes:
        position: goal of the grip site, (3,) m.
        rotation: goal orientation, (3, 3).
        gripper: `OPEN` or `CLOSE`.
        text: the current sub-task in words.
        speed: fraction of the top speed (about 0.26 m/s), in (0, 1].
        stop_at: the chunk ends early once the gripper is predicted to be this close (m) to the goal, because the
            skill wants to look again; 0 for never.
    """

    position: Array
    rotation: Array
    gripper: float
    text: str
    speed: float = 1.0
    stop_at: float = 0.0


def plan_chunk(robot: Robot, command: Command, length: int) -> NDArray[np.float32]:
    """Actions (T, 7), 1 ≤ T ≤ `length`, in [-1, 1]: translation, axis-angle rotation (base frame), gripper."""
    position, velocity = robot.position.copy(), robot.velocity[:3].copy()
    turn_left = rotation_vector(command.rotation @ robot.rotation.T)
    spin = robot.velocity[3:].copy()
    actions = np.zeros((length, 7))
    steps = 0
    while steps < length:
        move = _limit(_GAIN * (command.position - position), MAX_TRANSLATION * command.speed)
        turn = _limit(_GAIN * turn_left, MAX_ROTATION)
        actions[steps, :3] = move / MAX_TRANSLATION
        actions[steps, 3:6] = turn / MAX_ROTATION
        actions[steps, 6] = command.gripper
        steps += 1
        position, velocity = (
            position + _MOVE_PER_COMMAND * move + _MOVE_PER_VELOCITY * velocity,
            _SPEED_PER_COMMAND * move + _SPEED_PER_VELOCITY * velocity,
        )
        turn_left, spin = (
            turn_left - _MOVE_PER_COMMAND * turn - _MOVE_PER_VELOCITY * spin,
            _SPEED_PER_COMMAND * turn + _SPEED_PER_VELOCITY * spin,
        )
        if np.linalg.norm(command.position - position) < command.stop_at:
            break
    return np.clip(actions[:steps], -1.0, 1.0).astype(np.float32)


def turn_between(first: Array, second: Array) -> float:
    """Angle in radians between two orientations."""
    return float(np.linalg.norm(rotation_vector(first @ second.T)))


def _limit(vector: Array, length: float) -> Array:
    norm = float(np.linalg.norm(vector))
    return vector if norm <= length else vector * (length / norm)
