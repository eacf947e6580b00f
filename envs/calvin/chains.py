"""CALVIN's thousand chains of five tasks, their sentences, and the scenes they begin in.

Content and order are those of upstream's evaluation. A part of it is a prefix: the chains are shuffled, so the first N
are a fair sample. (Upstream's generator asked for another number makes other chains.)
"""

from __future__ import annotations

import functools
import json
import math
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmact_eval.envs.calvin.world.scenes import COLORS

LENGTH = 5
"""Tasks of a chain."""

ROBOT_OBS = (0.02586889, -0.2313129, 0.5712808, 3.09045411, -0.02908596, 1.50013585, 0.07999963,
             -1.21779124, 1.03987629, 2.11978254, -2.34205014, -0.87015899, 1.64119093, 0.55344928, 1.0)  # fmt: skip
"""The robot at the beginning of every chain, as a robot vector."""

_SLIDE_LEFT, _DRAWER_OPEN, _SWITCH_ON = 0.28, 0.22, 0.088
_ON_TABLE = ((0.0500000896, -0.120000177, 0.459990009), (0.229995412, -0.119995140, 0.459990010))
_IN_SLIDER = {
    "slider_right": (0.0703416330, 0.0924044687, 0.460990009),
    "slider_left": (-0.240851662, 0.0924044687, 0.460990009),
}
_YAW = (math.pi / 2 - math.pi / 8, math.pi / 2 + math.pi / 8)


@dataclass(frozen=True)
class Condition:
    """Where things are when a chain begins.

    Attributes:
        led, lightbulb: 1 if they burn, else 0.
        slider: ``left`` or ``right``.
        drawer: ``open`` or ``closed``.
        red_block, blue_block, pink_block: ``table``, ``slider_left`` or ``slider_right``.
        grasped: always 0.
    """

    led: int
    lightbulb: int
    slider: str
    drawer: str
    red_block: str
    blue_block: str
    pink_block: str
    grasped: int

    @property
    def seed(self) -> int:
        """What the blocks' places follow from: a 32-bit hash of the condition's text."""
        values = [getattr(self, field) for field in self.__dataclass_fields__]
        return fnv1(f"dict_values({values!r})")

    def scene_obs(self, seed: int | None = None) -> NDArray[np.float64]:
        """(24,): the scene vector of scene D.

        Args:
            seed: of the blocks' places on the table and of their angles; None for the published one.
        """
        rng = np.random.RandomState(self.seed if seed is None else seed)
        places = list(_ON_TABLE)
        rng.shuffle(places)
        at = {color: getattr(self, f"{color}_block") for color in COLORS}
        on_table = {"red": places[0], "blue": places[at["red"] == "table"], "pink": places[1]}
        blocks: list[float] = []
        for color in COLORS:
            place = on_table[color] if at[color] == "table" else _IN_SLIDER[at[color]]
            blocks += [*place, 0.0, 0.0, rng.uniform(*_YAW)]
        slide = _SLIDE_LEFT if self.slider == "left" else 0.0
        drawer = _DRAWER_OPEN if self.drawer == "open" else 0.0
        switch = _SWITCH_ON if self.lightbulb else 0.0
        return np.array([slide, drawer, 0.0, switch, float(self.lightbulb), float(self.led), *blocks])


@dataclass(frozen=True)
class Chain:
    """One episode.

    Attributes:
        condition: where things are when it begins.
        tasks: names of the five tasks.
    """

    condition: Condition
    tasks: tuple[str, ...]


@functools.cache
def chains() -> tuple[Chain, ...]:
    """All thousand, in upstream's order."""
    data = _data()
    names = list(data["sentences"])
    conditions = [Condition(**dict(zip(data["condition_fields"], c, strict=True))) for c in data["conditions"]]
    return tuple(Chain(conditions[which], tuple(names[task] for task in tasks)) for which, *tasks in data["chains"])


def sentences() -> dict[str, str]:
    """Task name → the sentence it is asked with; all 34. None of them is a sentence of the training data."""
    return dict(_data()["sentences"])


def fnv1(text: str) -> int:
    """The 32-bit FNV-1 hash of a text in UTF-16, beginning with 0: what upstream's hash of a text comes to."""
    return functools.reduce(lambda value, byte: (value * 16777619 & 0xFFFFFFFF) ^ byte, text.encode("utf-16-le"), 0)


@functools.cache
def _data() -> dict[str, Any]:
    text = resources.files("mmact_eval.envs.calvin.data").joinpath("chains.json").read_text()
    found: dict[str, Any] = json.loads(text)
    return found
