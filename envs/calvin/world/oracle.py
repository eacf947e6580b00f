"""Which of CALVIN's 34 tasks are solved between two moments.

Criteria and thresholds are upstream's, quirks included: a block that bounces off another for one step is unstacked, and
one that is caught in the air is lifted. Distances are in m, angles in degrees.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from scipy.spatial.transform import Rotation

from mmact_eval.envs.calvin.world.facts import ROBOT, TABLE, BlockFacts, Facts
from mmact_eval.envs.calvin.world.scenes import COLORS

Criterion = Callable[[Facts, Facts], bool]
"""Of the facts when the task began and those of now."""


def _rotated(start: Facts, end: Facts, color: str, sign: int) -> bool:
    """Turned by more than 60° about z, hardly otherwise, about where it was, and put down."""
    before, now = start.blocks[color], end.blocks[color]
    turn = Rotation.from_quat(now.quaternion) * Rotation.from_quat(before.quaternion).inv()
    x, y, z = turn.as_euler("xyz", degrees=True)
    if abs(x) > 30 or abs(y) > 30 or np.linalg.norm(now.position - before.position) > 0.1:
        return False
    return bool(now.bodies - {ROBOT}) and 60 < sign * z < 180


def _pushed(start: Facts, end: Facts, color: str, sign: int) -> bool:
    """Moved along x, staying on what it stood on."""
    before, now = start.blocks[color], end.blocks[color]
    stood, stands = ({touch for touch in block.touches if touch[0] != ROBOT} for block in (before, now))
    return bool(sign * (now.position[0] - before.position[0]) > 0.1 and stood and stands and stood <= stands)


def _lifted(start: Facts, end: Facts, color: str, link: str, metres: float) -> bool:
    """Higher than it was on that part of the table, and held by the robot alone."""
    before, now = start.blocks[color], end.blocks[color]
    rise = now.position[2] - before.position[2]
    return bool(rise > metres and now.bodies == {ROBOT} and (TABLE, link) in before.touches)


def _placed(start: Facts, end: Facts, link: str) -> bool:
    """The block that the robot alone held lies in that part of the table, and the robot has let go."""
    if len(start.robot_bodies) != 1:
        return False
    (held,) = start.robot_bodies
    if held not in start.blocks or start.blocks[held].bodies != {ROBOT}:
        return False
    now = end.blocks[held]
    return ROBOT not in now.bodies and (TABLE, link) in now.touches


def _pushed_into_drawer(start: Facts, end: Facts) -> bool:
    """A block that stood on the table alone touches the drawer."""
    return any(
        block.touches == {(TABLE, "base_link")} and (TABLE, "drawer_link") in end.blocks[color].touches
        for color, block in start.blocks.items()
    )


def _slid(start: Facts, end: Facts, sign: int) -> bool:
    return sign * (end.slide - start.slide) > 0.15


def _drawn(start: Facts, end: Facts, sign: int) -> bool:
    return sign * (end.drawer - start.drawer) > 0.12


def _stacked(start: Facts, end: Facts) -> bool:
    """A block that touched no other lies on others alone, at rest."""
    return any(
        not start.blocks[color].bodies & set(COLORS) and _on_blocks(now) and _at_rest(now)
        for color, now in end.blocks.items()
    )


def _unstacked(start: Facts, end: Facts) -> bool:
    """A block that lay on others alone, at rest, touches none."""
    return any(
        _on_blocks(before) and _at_rest(before) and not end.blocks[color].bodies & set(COLORS)
        for color, before in start.blocks.items()
    )


def _on_blocks(block: BlockFacts) -> bool:
    return bool(block.bodies) and block.bodies <= set(COLORS)


def _at_rest(block: BlockFacts) -> bool:
    return bool((np.abs(block.velocity) < 1).all())


def _switched(start: Facts, end: Facts, light: str, on: bool) -> bool:
    return bool(getattr(start, light) != on and getattr(end, light) == on)


def _criteria() -> dict[str, Criterion]:
    found: dict[str, Criterion] = {}
    part = functools.partial
    for color in COLORS:
        block = f"{color}_block"
        for side, sign in (("right", -1), ("left", 1)):
            found[f"rotate_{block}_{side}"] = part(_rotated, color=color, sign=sign)
        for side, sign in (("right", 1), ("left", -1)):
            found[f"push_{block}_{side}"] = part(_pushed, color=color, sign=sign)
        for place, link, metres in (("table", "base", 0.05), ("slider", "plank", 0.03), ("drawer", "drawer", 0.05)):
            found[f"lift_{block}_{place}"] = part(_lifted, color=color, link=f"{link}_link", metres=metres)
    for side, sign in (("left", 1), ("right", -1)):
        found[f"move_slider_{side}"] = part(_slid, sign=sign)
    for way, sign in (("open", 1), ("close", -1)):
        found[f"{way}_drawer"] = part(_drawn, sign=sign)
    for place, link in (("slider", "plank_link"), ("drawer", "drawer_link")):
        found[f"place_in_{place}"] = part(_placed, link=link)
    found |= {"push_into_drawer": _pushed_into_drawer, "stack_block": _stacked, "unstack_block": _unstacked}
    for name, light in (("lightbulb", "lamp"), ("led", "led")):
        for word in ("on", "off"):
            found[f"turn_{word}_{name}"] = part(_switched, light=light, on=word == "on")
    return found


CRITERIA = _criteria()
"""Task name → its criterion; all 34."""


def holds(task: str, start: Facts, end: Facts) -> bool:
    """Whether one task is solved between two moments.

    Raises:
        KeyError: there is no such task.
    """
    return bool(CRITERIA[task](start, end))


def solved(start: Facts, end: Facts) -> frozenset[str]:
    """The names of all tasks that hold between two moments."""
    return frozenset(task for task, criterion in CRITERIA.items() if criterion(start, end))
