"""What differs between CALVIN's four scenes, and where their blocks are when they are loaded.

Source: the scene configurations of mees/calvin_env at 797142c.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

Box = tuple[tuple[float, float, float], tuple[float, float, float]]
"""Lowest and highest corner, m."""

COLORS = ("red", "blue", "pink")
"""The blocks' colours; every scene has one of each, its size differs."""

SCALE = 0.8
"""Tables and blocks are loaded at this scale."""


@dataclass(frozen=True)
class Scene:
    """One of the scenes.

    Attributes:
        name: its letter.
        blocks: (colour, size) in the order in which they are loaded, which is also that of the scene vector.
        surfaces: where blocks are put at random when loaded.
    """

    name: str
    blocks: tuple[tuple[str, str], ...]
    surfaces: dict[str, Box]

    @property
    def colors(self) -> tuple[str, ...]:
        """The blocks' colours, in the order of the scene vector."""
        return tuple(color for color, _ in self.blocks)

    def loading_poses(self) -> list[tuple[tuple[float, ...], tuple[float, ...]]]:
        """Where the blocks are loaded: position in m and Euler angles of each.

        A reset puts them elsewhere, but what happens later depends on it in its last bits. These are what upstream's
        environment draws with its seed, 0.
        """
        rng = np.random.default_rng(0)
        poses = []
        for _ in self.blocks:
            low, high = self.surfaces[rng.choice(list(self.surfaces))]
            position = rng.uniform(low, high)
            euler = rng.uniform([0.0, 0.0, -math.pi], [0.0, 0.0, math.pi])
            poses.append((tuple(position), tuple(euler)))
        return poses


def _surfaces(table: tuple[float, float], left: tuple[float, float], right: tuple[float, float]) -> dict[str, Box]:
    """The surfaces of a scene from their extents in x, m."""
    z = 0.46
    return {
        "table": ((table[0], -0.15, z), (table[1], -0.03, z)),
        "slider_left": ((left[0], 0.05, z), (left[1], 0.12, z)),
        "slider_right": ((right[0], 0.05, z), (right[1], 0.12, z)),
    }


SCENES = {
    scene.name: scene
    for scene in (
        Scene("A", (("pink", "small"), ("blue", "big"), ("red", "middle")),
              _surfaces((-0.2, 0.35), (-0.32, -0.16), (-0.05, 0.13))),
        Scene("B", (("red", "small"), ("blue", "big"), ("pink", "middle")),
              _surfaces((-0.35, 0.15), (-0.12, 0.06), (0.15, 0.33))),
        Scene("C", (("blue", "small"), ("red", "big"), ("pink", "middle")),
              _surfaces((0.0, 0.35), (-0.12, 0.06), (0.15, 0.3))),
        Scene("D", (("red", "middle"), ("blue", "small"), ("pink", "big")),
              _surfaces((0.0, 0.35), (-0.32, -0.16), (-0.05, 0.13))),
    )
}  # fmt: skip
"""By name. Policies are trained in some of A to D and evaluated in D."""
