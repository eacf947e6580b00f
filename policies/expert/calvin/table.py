"""Where the parts of CALVIN's table D are; m, world frame.

Source: joints' origins and collision meshes of calvin_table_D.urdf (mees/calvin_env at 797142c), × 0.8.
"""

from __future__ import annotations

import numpy as np

from mmact_eval.policies.expert.geometry import Array

TOP = 0.44
"""Height of the table top; the shelf behind the sliding door is as high."""

FRONT = -0.18
"""y of the table's front edge, under which the drawer comes out."""

SLIDE_WAY, DRAWER_WAY, SWITCH_WAY = 0.28, 0.22, 0.088
"""How far the joints go."""

BUTTON = np.array([-0.12, -0.12, 0.487])
"""The middle of its upper side when it is up."""

UPHILL = np.array([0.0, 0.5, 0.866])
"""Direction in which the switch goes on; the table's back leans like this."""

_SWITCH_OFF = np.array([0.30, 0.021, 0.527])

_HANDLE_X = 0.04
"""Of the sliding door's upright handle when the door is on the right."""

DRAWER_X, DRAWER_HANDLE_Z = 0.18, 0.36
"""The middle of the drawer's handle."""

_DRAWER_HANDLE_Y = (-0.261, -0.238)
"""Front and back of its bar when the drawer is shut."""

DRAWER_FLOOR = 0.341
DRAWER_SIDES = (0.003, 0.357)
"""Inner sides of the drawer, x."""

SHELF_Y = 0.105
"""Where a block lies in the shelf behind the door's way, m."""

SHELF_SIDES = (-0.36, 0.16)
"""Its walls, x."""

DOOR_SIDES = (-0.101, 0.181)
"""Sides of the door when it is on the right, x."""


def switch_bar(pushed: float) -> Array:
    """(3,): the middle of the switch's bar, the switch being on its way by `pushed`."""
    found: Array = _SWITCH_OFF + UPHILL * pushed
    return found


def door_handle_x(slide: float) -> float:
    """x of the sliding door's handle."""
    return _HANDLE_X - slide


def drawer_handle_y(drawer: float) -> tuple[float, float]:
    """y of the front and the back of the drawer handle's bar."""
    front, back = _DRAWER_HANDLE_Y
    return front - drawer, back - drawer


def shelf_opening(slide: float) -> tuple[float, float]:
    """Lowest and highest x of the wider part of the shelf that the door leaves open."""
    left = (SHELF_SIDES[0], DOOR_SIDES[0] - slide)
    right = (DOOR_SIDES[1] - slide, SHELF_SIDES[1])
    return max(left, right, key=lambda side: side[1] - side[0])
