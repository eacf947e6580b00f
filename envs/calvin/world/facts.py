"""What the oracle looks at: where things are, how they move, what touches what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ROBOT = "robot"
TABLE = "table"

Touch = tuple[str, str]
"""The other body and its link: ``("table", "drawer_link")``, ``("red", "base")``."""


@dataclass(frozen=True)
class BlockFacts:
    """One block.

    Attributes:
        position: (3,) m.
        quaternion: (4,) x, y, z, w.
        velocity: (6,) linear in m/s, then angular in rad/s.
        touches: what it touches.
    """

    position: NDArray[np.float64]
    quaternion: NDArray[np.float64]
    velocity: NDArray[np.float64]
    touches: frozenset[Touch]

    @property
    def bodies(self) -> frozenset[str]:
        """The bodies that it touches."""
        return frozenset(body for body, _ in self.touches)


@dataclass(frozen=True)
class Facts:
    """The scene at one moment.

    Attributes:
        slide, drawer: how far they are, m.
        lamp, led: whether they burn.
        blocks: by colour, in the scene's order.
        robot_bodies: the bodies that the robot touches.
    """

    slide: float
    drawer: float
    lamp: bool
    led: bool
    blocks: Mapping[str, BlockFacts]
    robot_bodies: frozenset[str]
