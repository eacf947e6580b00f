"""One script for each of CALVIN's 34 tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from mmact_eval.policies.expert.calvin.scene import Scene
from mmact_eval.policies.expert.calvin.script import Script
from mmact_eval.policies.expert.calvin.tasks.doors import close_drawer, move_slider, open_drawer
from mmact_eval.policies.expert.calvin.tasks.lifting import lift
from mmact_eval.policies.expert.calvin.tasks.lights import press_button, throw_switch
from mmact_eval.policies.expert.calvin.tasks.placing import place_in_drawer, place_in_slider
from mmact_eval.policies.expert.calvin.tasks.pushing import push, push_into_drawer
from mmact_eval.policies.expert.calvin.tasks.stacking import stack, unstack
from mmact_eval.policies.expert.calvin.tasks.turning import turn

Solver = Callable[[Scene, int], Script]
"""Of the scene at the start and the number of the attempt, from 0. It ends when it has done what it can."""


def _solvers() -> dict[str, Solver]:
    found: dict[str, Solver] = {
        "open_drawer": open_drawer,
        "close_drawer": close_drawer,
        "move_slider_left": partial(move_slider, left=True),
        "move_slider_right": partial(move_slider, left=False),
        "turn_on_led": press_button,
        "turn_off_led": press_button,
        "turn_on_lightbulb": partial(throw_switch, on=True),
        "turn_off_lightbulb": partial(throw_switch, on=False),
        "place_in_slider": place_in_slider,
        "place_in_drawer": place_in_drawer,
        "push_into_drawer": push_into_drawer,
        "stack_block": stack,
        "unstack_block": unstack,
    }
    for color in ("red", "blue", "pink"):
        block = f"{color}_block"
        for side, sign in (("left", 1), ("right", -1)):
            found[f"rotate_{block}_{side}"] = partial(turn, color=color, sign=sign)
            found[f"push_{block}_{side}"] = partial(push, color=color, sign=-sign)
        for place in ("table", "slider", "drawer"):
            found[f"lift_{block}_{place}"] = partial(lift, color=color)
    return found


SOLVERS: Mapping[str, Solver] = _solvers()
"""Task name → its script."""
