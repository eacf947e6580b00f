"""The stand-in's table: boxes with the names, axes and limits of CALVIN's joints, at about the same places.

Lengths are as in CALVIN's own files, before the world's scale of 0.8.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from xml.etree import ElementTree

from mmact_eval.envs.calvin.stand_in.parts import Box, Joint, Vector, joint, link, text

_WOOD, _DARK, _GRAY, _BLACK, _WHITE = (
    (0.62, 0.45, 0.3), (0.42, 0.3, 0.2), (0.45, 0.45, 0.45), (0.1, 0.1, 0.1), (1.0, 1.0, 1.0),
)  # fmt: skip
_SLANT = math.pi / 3
"""The front of the cupboard leans back: its angle to the table top, rad."""

_FRONT = 0.025
"""Where the cupboard's front meets the table top, y."""

_TOP, _ROOF, _BACK, _HALF = 0.55, 0.81, 0.225, 0.55
"""Heights of table top and cupboard, half depth and half width."""


@dataclass(frozen=True)
class Places:
    """What differs between the four tables: places along x, m.

    Attributes:
        button, switch, drawer, plank: middles. The LED is behind the button, the lamp behind the switch.
        slide: the closed door's left edge.
        slide_upper: how far the door slides.
    """

    button: float
    switch: float
    slide: float
    slide_upper: float
    drawer: float
    plank: float


PLACES = {
    "A": Places(button=-0.35, switch=0.375, slide=-0.125, slide_upper=0.35, drawer=0.125, plank=-0.125),
    "B": Places(button=0.35, switch=-0.4, slide=0.11, slide_upper=0.38, drawer=0.225, plank=0.1),
    "C": Places(button=-0.15, switch=-0.4, slide=0.075, slide_upper=0.3, drawer=0.125, plank=0.1),
    "D": Places(button=-0.15, switch=0.375, slide=-0.125, slide_upper=0.35, drawer=0.225, plank=-0.125),
}
"""Scene → its places."""


def table(scene: str) -> str:
    """The robot description of a scene's table."""
    at = PLACES[scene]
    root = ElementTree.Element("robot", name=f"table_{scene}")
    root.append(link("base_link", 0.0, _base(at)))
    for name, mass, boxes, hangs in _moving(at):
        root.append(link(name, mass, boxes))
        root.append(joint(name, hangs))
    return text(root)


def _base(at: Places) -> tuple[Box, ...]:
    left, right = at.drawer - 0.25, at.drawer + 0.25
    inner = (at.plank - 0.325, at.plank + 0.325)
    legs = [
        Box((x, y, 0.0), (x + 0.05, y + 0.04, 0.5), _WOOD)
        for x in (-_HALF, _HALF - 0.05)
        for y in (-_BACK, _BACK - 0.04)
    ]
    panels = [
        Box((-_HALF, -_BACK, 0.5), (_HALF, _FRONT, _TOP), _WOOD),  # the top
        Box((-_HALF, -_BACK, 0.375), (left, -0.2, 0.5), _WOOD),  # beside the drawer
        Box((right, -_BACK, 0.375), (_HALF, -0.2, 0.5), _WOOD),
        Box((-_HALF, -0.185, 0.375), (-_HALF + 0.025, 0.185, 0.5), _WOOD),
        Box((_HALF - 0.025, -0.185, 0.375), (_HALF, 0.185, 0.5), _WOOD),
        Box((-_HALF, 0.2, 0.375), (_HALF, _BACK, 0.525), _WOOD),
        Box((-_HALF, _FRONT, 0.5), (_HALF, _BACK, 0.525), _WOOD),  # below the cupboard
        Box((-_HALF, 0.2, 0.525), (_HALF, _BACK, _ROOF), _WOOD),  # its back
        Box((-_HALF, 0.17, _ROOF - 0.025), (_HALF, _BACK, _ROOF), _WOOD),  # its roof
    ]
    sides = [side for low, high in ((-_HALF, inner[0]), (inner[1], _HALF)) for side in _cheek(low, high)]
    ring = [
        Box(low, high, _GRAY, at=(at.button, -0.15, _TOP))
        for low, high in (
            ((-0.05, -0.05, 0.0), (0.05, -0.04, 0.025)),
            ((-0.05, 0.04, 0.0), (0.05, 0.05, 0.025)),
            ((-0.05, -0.04, 0.0), (-0.04, 0.04, 0.025)),
            ((0.04, -0.04, 0.0), (0.05, 0.04, 0.025)),
        )
    ]
    return (*legs, *panels, *sides, *ring)


def _cheek(low: float, high: float) -> list[Box]:
    """The closed part of the cupboard from `low` to `high` in x: a leaning front, and boxes that fill it."""
    length = (_ROOF - _TOP) / math.sin(_SLANT)
    leaning = Box(
        (low, 0.0, -0.03), (high, length, 0.0), _WOOD, at=(0.0, _FRONT, _TOP), roll=_SLANT
    )  # its frame: y up the front, z out of it
    steps = []
    for number in range(4):
        bottom, top = _TOP + (_ROOF - _TOP) * number / 4, _TOP + (_ROOF - _TOP) * (number + 1) / 4
        steps.append(Box((low, _FRONT + (top - _TOP) / math.tan(_SLANT), bottom), (high, 0.2, top), _WOOD))
    return [leaning, *steps[:-1]]


def _moving(at: Places) -> list[tuple[str, float, tuple[Box, ...], Joint]]:
    """Name, mass in kg, boxes and joint of every link but the base."""
    upright = math.pi / 2  # the link's y points up, its z to the front
    button = (Box((-0.035, 0.0, -0.035), (0.035, 0.03, 0.035), _BLACK),)
    switch = (
        Box((-0.075, 0.052, -0.03), (0.075, 0.08, 0.01), _GRAY),  # the bar
        Box((0.05, 0.0, -0.03), (0.075, 0.052, 0.01), _GRAY),
        Box((-0.075, 0.0, -0.03), (-0.05, 0.052, 0.01), _GRAY),
    )
    slide = (
        Box((0.0, -0.15, 0.0), (0.35, 0.15, 0.025), _DARK),  # the door
        Box((0.15, -0.1, 0.025), (0.2, -0.072, 0.1), _GRAY),  # the handle: two feet and a bar
        Box((0.15, 0.072, 0.025), (0.2, 0.1, 0.1), _GRAY),
        Box((0.15, -0.072, 0.072), (0.2, 0.072, 0.1), _GRAY),
    )
    drawer = (
        Box((-0.275, -0.025, 0.2), (0.275, 0.1, 0.225), _DARK),  # front, back, sides, floor
        Box((-0.25, 0.0, -0.075), (0.25, 0.1, -0.05), _DARK),
        Box((-0.25, 0.0, -0.05), (-0.225, 0.1, 0.2), _DARK),
        Box((0.225, 0.0, -0.05), (0.25, 0.1, 0.2), _DARK),
        Box((-0.225, 0.0, -0.05), (0.225, 0.025, 0.2), _DARK),
        Box((-0.15, 0.025, 0.225), (-0.12, 0.075, 0.325), _GRAY),  # the handle
        Box((0.12, 0.025, 0.225), (0.15, 0.075, 0.325), _GRAY),
        Box((-0.12, 0.025, 0.3), (0.12, 0.075, 0.325), _GRAY),
    )
    led = (Box((-0.1, 0.0, -0.025), (0.1, 0.02, 0.025), _WHITE),)
    light = (Box((-0.03, 0.0, -0.065), (0.03, 0.06, -0.005), _WHITE),)
    plank = (Box((-0.325, 0.0, -0.0875), (0.325, 0.025, 0.0875), _DARK),)
    down: Vector = (0.0, -1.0, 0.0)
    return [
        ("button_link", 0.15, button, Joint("base__button", (at.button, -0.15, 0.575), upright, down, 0.025)),
        ("switch_link", 0.24, switch, Joint("base__switch", (at.switch, 0.07616, 0.618612), math.radians(150),
                                            (0.0, 0.0, -1.0), 0.11)),
        ("slide_link", 1.5, slide, Joint("base__slide", (at.slide, 0.09375, 0.66908), _SLANT,
                                         (-1.0, 0.0, 0.0), at.slide_upper)),
        ("drawer_link", 4.2, drawer, Joint("base__drawer", (at.drawer, 0.0, 0.4), upright, (0.0, 0.0, 1.0), 0.275)),
        ("led_link", 0.2, led, Joint("base__led", (at.button, 0.2, _ROOF), upright)),
        ("light_link", 0.17, light, Joint("base__light", (at.switch, 0.165, _ROOF), upright)),
        ("plank_link", 2.8, plank, Joint("base__plank", (at.plank, 0.1125, 0.525), upright)),
    ]  # fmt: skip
