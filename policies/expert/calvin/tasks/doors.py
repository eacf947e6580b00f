"""The sliding door and the drawer, moved by their handles."""

from __future__ import annotations

import numpy as np

from mmact_eval.policies.expert.calvin import table
from mmact_eval.policies.expert.calvin.aside import empty_hand
from mmact_eval.policies.expert.calvin.hand import euler
from mmact_eval.policies.expert.calvin.motion import CLOSE
from mmact_eval.policies.expert.calvin.scene import Scene
from mmact_eval.policies.expert.calvin.script import Script, go, shifted, travel

_BESIDE = 0.055
"""How far beside a handle's middle the closed fingers come down, m."""

_DOOR = np.array([-0.02, 0.52])
"""y and z at which the fingers push the door's handle, m."""


def move_slider(scene: Scene, attempt: int, *, left: bool) -> Script:
    """Push the sliding door's handle from its side, as far as it goes."""
    scene = yield from empty_hand(scene)
    way = -1 if left else 1
    handle = table.door_handle_x(scene.slide)
    beside = np.array([handle - way * _BESIDE, *_DOOR])
    scene = yield from travel(scene, shifted(beside, y=-0.08), euler(), CLOSE, "move to the sliding door's handle")
    scene = yield from go(scene, beside, euler(), CLOSE, "reach beside the handle")
    last = table.door_handle_x(table.SLIDE_WAY if left else 0.0)
    end = np.array([last + way * 0.01, *_DOOR])
    words = f"push the sliding door to the {'left' if left else 'right'}"
    return (yield from go(scene, end, euler(), CLOSE, words, speed=0.6))


def open_drawer(scene: Scene, attempt: int) -> Script:
    """Hook the closed fingers behind the drawer's handle and pull."""
    scene = yield from empty_hand(scene)
    _, back = table.drawer_handle_y(scene.drawer)
    behind = np.array([table.DRAWER_X, back + 0.028, table.DRAWER_HANDLE_Z + 0.01])
    scene = yield from travel(scene, behind, euler(), CLOSE, "reach behind the drawer's handle")
    end = shifted(behind, y=-(table.DRAWER_WAY - scene.drawer + 0.04))
    return (yield from go(scene, end, euler(), CLOSE, "pull the drawer open", speed=0.5))


def close_drawer(scene: Scene, attempt: int) -> Script:
    """Push the drawer's handle from the front."""
    scene = yield from empty_hand(scene)
    front, _ = table.drawer_handle_y(scene.drawer)
    before = np.array([table.DRAWER_X, front - 0.05, table.DRAWER_HANDLE_Z + 0.01])
    scene = yield from travel(scene, before, euler(), CLOSE, "move in front of the drawer's handle")
    end = shifted(before, y=scene.drawer + 0.06)
    return (yield from go(scene, end, euler(), CLOSE, "push the drawer shut", speed=0.5))
