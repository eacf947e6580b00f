"""The toy's simulator: a point in the square [-1, 1]² m, a target and, in ``hard``, a wall with a gap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STEP_METRES = 0.05
"""How far the point moves along an axis for an action of 1."""

GAP_HALF_WIDTH = 0.1
TOLERANCE = {"easy": 0.1, "hard": 0.04}

_WHITE, _GREY, _RED, _BLUE = (245, 245, 245), (90, 90, 90), (214, 60, 50), (40, 90, 200)


@dataclass(frozen=True)
class Scene:
    """Where things are at the start, in metres.

    Attributes:
        start, target: (2,) float64, x and y.
        gap: y of the gap's centre in the wall along x = 0; None if there is no wall.
        tolerance: distance from the target that counts as success.
        colour: of the target, RGB.
    """

    start: NDArray[np.float64]
    target: NDArray[np.float64]
    gap: float | None
    tolerance: float
    colour: tuple[int, int, int] = _RED


def make_scene(task: str, seed: int) -> Scene:
    """The scene of a seed: easy targets are near and free, hard ones behind the wall."""
    rng = np.random.default_rng(seed)
    if task == "easy":
        start = rng.uniform(-0.5, 0.5, 2)
        distance, angle = rng.uniform(0.25, 0.45), rng.uniform(0.0, 2.0 * np.pi)
        target = start + distance * np.array([np.cos(angle), np.sin(angle)])
        return Scene(start, target, None, TOLERANCE[task])
    start = np.array([rng.uniform(-0.9, -0.3), rng.uniform(-0.6, 0.6)])
    target = np.array([rng.uniform(0.3, 0.9), rng.uniform(-0.6, 0.6)])
    return Scene(start, target, float(rng.uniform(-0.7, 0.7)), TOLERANCE[task])


def place_target(task: str, before: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Where a target is, (2,), once the one `before` was reached: near it, or on the other side of the wall."""
    if task == "hard":
        return np.array([-np.sign(before[0]) * rng.uniform(0.3, 0.9), rng.uniform(-0.6, 0.6)])
    distance, angle = rng.uniform(0.25, 0.45), rng.uniform(0.0, 2.0 * np.pi)
    offset = distance * np.array([np.cos(angle), np.sin(angle)])
    target: NDArray[np.float64] = before + np.where(np.abs(before + offset) > 0.9, -offset, offset)  # off the border
    return target


def move(scene: Scene, position: NDArray[np.float64], action: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where a (2,) action, clipped to [-1, 1], takes the point; it slides along walls and borders."""
    moved = np.clip(position + STEP_METRES * np.clip(action, -1.0, 1.0), -1.0, 1.0)
    if scene.gap is not None and (position[0] < 0.0) != (moved[0] < 0.0):
        way = position[0] / (position[0] - moved[0])
        crossing = position[1] + way * (moved[1] - position[1])
        if abs(crossing - scene.gap) > GAP_HALF_WIDTH:
            moved[0] = position[0]
    return moved


def draw(scene: Scene, position: NDArray[np.float64], camera: str, size: int) -> NDArray[np.uint8]:
    """A (size, size, 3) uint8 RGB picture, upright: x to the right, y up (``top``) or into depth (``side``)."""
    flat = 1.0 if camera == "top" else 0.3  # the side camera looks along the plane
    axis = (np.arange(size) + 0.5) / size * 2.2 - 1.1
    x, y = axis[np.newaxis, :], -axis[:, np.newaxis] / flat
    picture = np.full((size, size, 3), _WHITE, np.uint8)
    if scene.gap is not None:
        picture[(np.abs(x) < 0.03) & (np.abs(y) < 1.1) & (np.abs(y - scene.gap) > GAP_HALF_WIDTH)] = _GREY
    for centre, radius, colour in ((scene.target, 0.1, scene.colour), (position, 0.07, _BLUE)):
        picture[np.hypot(x - centre[0], (y - centre[1]) * flat) < radius] = colour
    return picture
