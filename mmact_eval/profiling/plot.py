"""The roofline plot as SVG: what the device can do, and what each point of the profile makes of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mmact_eval.profiling.columns import figure, prefixed
from mmact_eval.profiling.profile import Profile
from mmact_eval.profiling.row import Row
from mmact_eval.profiling.tables import label

WIDTH, HEIGHT = 760, 430
LEFT, RIGHT, TOP, BOTTOM = 72, 16, 16, 52
_COLOURS = 8
_MARGIN = 0.25
"""Of a power of ten, around what is drawn."""


@dataclass(frozen=True)
class Dot:
    """A point of the profile in the plot.

    Attributes:
        x, y: of its middle.
        number: of its row in the table, from 1.
        colour: index of what was varied.
        said: its numbers in words.
    """

    x: float
    y: float
    number: int
    colour: int
    said: str


@dataclass(frozen=True)
class RoofLine:
    """A device's limits in the plot.

    Attributes:
        points: of the line, ``x,y x,y x,y``.
        x, y: where its name stands, to the right end of it.
        said: its name and numbers.
        dashed: to tell it from others.
    """

    points: str
    x: float
    y: float
    said: str
    dashed: str


@dataclass(frozen=True)
class Plot:
    """What the template draws.

    Attributes:
        dots, roofs: in it.
        ticks_x, ticks_y: (place, label) on the axes.
        varied: (colour, name) of what was varied, for the legend.
    """

    dots: tuple[Dot, ...]
    roofs: tuple[RoofLine, ...]
    ticks_x: tuple[tuple[float, str], ...]
    ticks_y: tuple[tuple[float, str], ...]
    varied: tuple[tuple[int, str], ...]


def roofline(made: Profile) -> Plot | None:
    """The plot; None where nothing was both timed and counted."""
    seen: list[Row] = []
    found = []
    for number, row in enumerate(made.rows, start=1):
        known = any(other.point == row.point for other in seen)  # one measurement, several lines of the table
        if not known and row.work and row.flops_per_s and row.work.intensity:
            seen.append(row)
            found.append((number, row, row.work.intensity, row.flops_per_s))
    if not found or not made.roofs:
        return None
    ridges = [roof.flops_per_s / roof.bytes_per_s for roof in made.roofs]
    xs = [*(intensity for _, _, intensity, _ in found), *ridges]
    ys = [*(rate for _, _, _, rate in found), *(roof.flops_per_s for roof in made.roofs)]
    low_x, high_x = _around(xs)
    low_y, high_y = _around(ys)
    place_x, place_y = _scale(low_x, high_x, LEFT, WIDTH - RIGHT), _scale(low_y, high_y, HEIGHT - BOTTOM, TOP)
    names = list(dict.fromkeys(row.varied for _, row, _, _ in found))
    dots = tuple(
        Dot(
            place_x(intensity), place_y(rate), number, names.index(row.varied) % _COLOURS,
            f"{number}: {label(row)}, {figure(intensity)} FLOPs/byte, {prefixed(rate)}FLOP/s",
        )
        for number, row, intensity, rate in found
    )  # fmt: skip
    lines = []
    for index, roof in enumerate(made.roofs):
        ridge = roof.flops_per_s / roof.bytes_per_s
        start = max(10.0**low_x, 10.0**low_y / roof.bytes_per_s)
        corners = [(start, start * roof.bytes_per_s), (ridge, roof.flops_per_s), (10.0**high_x, roof.flops_per_s)]
        points = " ".join(f"{place_x(x):.1f},{place_y(y):.1f}" for x, y in corners)
        said = f"{roof.name}: {prefixed(roof.flops_per_s)}FLOP/s, {prefixed(roof.bytes_per_s)}B/s"
        y = place_y(roof.flops_per_s)
        lines.append(RoofLine(points, WIDTH - RIGHT, y - 6, said, "" if index == 0 else f"{2 + 3 * index} 4"))
    return Plot(
        dots, tuple(_apart(lines)), _ticks(low_x, high_x, place_x), _ticks(low_y, high_y, place_y),
        tuple((place % _COLOURS, name or "base point") for place, name in enumerate(names)),
    )  # fmt: skip


def _apart(lines: Sequence[RoofLine]) -> list[RoofLine]:
    """With names that do not lie upon each other: the lower one goes below its line."""
    moved: list[RoofLine] = []
    for line in sorted(lines, key=lambda line: line.y):
        y = line.y
        if moved and abs(y - moved[-1].y) < 14:
            y = moved[-1].y + 24
        moved.append(RoofLine(line.points, line.x, y, line.said, line.dashed))
    return moved


def _around(values: Sequence[float]) -> tuple[float, float]:
    """Powers of ten a little below and above the values."""
    return math.log10(min(values)) - _MARGIN, math.log10(max(values)) + _MARGIN


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    return lambda value: start + (math.log10(value) - low) / (high - low) * (end - start)


def _ticks(low: float, high: float, place: Callable[[float], float]) -> tuple[tuple[float, str], ...]:
    """At 1, 2 and 5 of each power of ten that is in sight; at powers of ten alone where that would be many."""
    steps = (1, 2, 5) if high - low < 3 else (1,)
    values = [step * 10.0**power for power in range(math.floor(low), math.ceil(high) + 1) for step in steps]
    return tuple(
        (round(place(value), 1), f"{value:g}" if value < 1000 else prefixed(value).replace(".00", "").replace(".0", ""))
        for value in values
        if low <= math.log10(value) <= high
    )
