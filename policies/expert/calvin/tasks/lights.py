"""The button of the LED and the switch of the lamp."""

from __future__ import annotations

from mmact_eval.policies.expert.calvin import table
from mmact_eval.policies.expert.calvin.aside import empty_hand
from mmact_eval.policies.expert.calvin.hand import euler
from mmact_eval.policies.expert.calvin.motion import CLOSE
from mmact_eval.policies.expert.calvin.scene import Scene
from mmact_eval.policies.expert.calvin.script import Script, go, shifted, travel

_TIPS = 0.02
"""How far the finger tips reach beyond the tool centre point, m."""

_BESIDE = 0.055
"""How far below or above the switch's bar the fingers come to it, m."""

_PITCH = -0.7
"""Tilt with which the closed fingers get under and over the switch's bar, rad."""


def press_button(scene: Scene, attempt: int) -> Script:
    """Press the button down with closed fingers; it changes the light each time."""
    scene = yield from empty_hand(scene)
    above = shifted(table.BUTTON, z=_TIPS + 0.03)
    scene = yield from travel(scene, above, euler(), CLOSE, "move above the button")
    return (yield from go(scene, shifted(table.BUTTON, z=_TIPS - 0.03), euler(), CLOSE, "press the button", speed=0.5))


def throw_switch(scene: Scene, attempt: int, *, on: bool) -> Script:
    """Push the switch's bar along its way with closed fingers, up from below or down from above."""
    scene = yield from empty_hand(scene)
    side = -1 if on else 1
    bar = table.switch_bar(scene.switch)
    start = bar + table.UPHILL * side * _BESIDE
    end = start - table.UPHILL * side * (table.SWITCH_WAY + 0.05)
    angles = euler(pitch=_PITCH)
    where, way = ("below", "up") if on else ("above", "down")
    scene = yield from travel(scene, shifted(start, y=-0.12), angles, CLOSE, "move in front of the switch")
    scene = yield from go(scene, start, angles, CLOSE, f"reach {where} the switch", speed=0.5)
    return (yield from go(scene, end, angles, CLOSE, f"push the switch {way}", speed=0.5))
