"""The conditional tasks: an instruction, and two scenes of which one fulfils its condition."""

from __future__ import annotations

from dataclasses import dataclass

from mmact_eval.envs.libero.conditional.scenes import Predicate, Scene, floor, table

CONDITIONAL = "libero_conditional"
HELD_OUT = "libero_conditional_held_out"

_TOP, _MIDDLE = "wooden_cabinet_1_top_region", "wooden_cabinet_1_middle_region"
_TOP_OPEN, _MIDDLE_OPEN = ("Open", _TOP), ("Open", _MIDDLE)
_STOVE_ON = ("Turnon", "flat_stove_1")
_BOWL, _CHEESE, _BOTTLE, _PLATE = "akita_black_bowl_1", "cream_cheese_1", "wine_bottle_1", "plate_1"
_BOWL_ON_PLATE = ("On", _BOWL, _PLATE)
_BOWL_ON_STOVE = ("On", _BOWL, "flat_stove_1_cook_region")
_BOWL_ON_CABINET = ("On", _BOWL, "wooden_cabinet_1_top_side")
_BOWL_IN_DRAWER = ("In", _BOWL, _TOP)
_CHEESE_IN_BOWL = ("On", _CHEESE, _BOWL)
_BOTTLE_ON_RACK = ("On", _BOTTLE, "wine_rack_1_top_region")
_BOTTLE_ON_CABINET = ("On", _BOTTLE, "wooden_cabinet_1_top_side")


@dataclass(frozen=True)
class Branch:
    """One of the two scenes of a task.

    Attributes:
        name: what is the case in it, in a word.
        scene: the scene.
        goal: what is right there.
    """

    name: str
    scene: Scene
    goal: Predicate


@dataclass(frozen=True)
class Conditional:
    """A task.

    Attributes:
        name: unique in its suite.
        instruction: what a policy is told, in both branches.
        branches: the one whose scene fulfils the condition, and the other.
    """

    name: str
    instruction: str
    branches: tuple[Branch, Branch]


def _in_basket(category: str) -> Predicate:
    return ("In", f"{category}_1", "basket_1_contain_region")


def _drawer(open_goal: Predicate, closed_goal: Predicate, states: Predicate = _TOP_OPEN) -> tuple[Branch, Branch]:
    return Branch("open", table(states), open_goal), Branch("closed", table(), closed_goal)


def _stove(on_goal: Predicate, off_goal: Predicate) -> tuple[Branch, Branch]:
    return Branch("on", table(_STOVE_ON), on_goal), Branch("off", table(), off_goal)


def _bowl(on_stove_goal: Predicate, on_table_goal: Predicate) -> tuple[Branch, Branch]:
    return (
        Branch("on_stove", table(bowl="stove"), on_stove_goal),
        Branch("on_table", table(), on_table_goal),
    )


def _bottle(left_goal: Predicate, right_goal: Predicate) -> tuple[Branch, Branch]:
    return Branch("left", table(bottle="left"), left_goal), Branch("right", table(), right_goal)


def _there(first: str, second: str, *others: str) -> tuple[Branch, Branch]:
    """The first of two things is there with the second, or another in its place."""
    *rest, instead = others
    return (
        Branch("there", floor(first, *rest, second), _in_basket(first)),
        Branch("not_there", floor(instead, *rest, second), _in_basket(second)),
    )


def _left_of_two(first: str, second: str, *others: str, wanted: str) -> tuple[Branch, Branch]:
    """Two things that have changed places; `wanted`: ``left`` or ``right``."""

    def branch(left: str, right: str) -> Branch:
        chosen = left if wanted == "left" else right
        return Branch(f"{chosen}_{wanted}", floor(right, others[0], left, *others[1:]), _in_basket(chosen))

    return branch(first, second), branch(second, first)


_TASKS = {
    CONDITIONAL: (
        Conditional(
            "bowl_by_drawer",
            "if the top drawer is open, put the bowl in it, otherwise put the bowl on the plate",
            _drawer(_BOWL_IN_DRAWER, _BOWL_ON_PLATE),
        ),
        Conditional(
            "bowl_by_stove",
            "if the stove is on, put the bowl on it, otherwise put the bowl on the plate",
            _stove(_BOWL_ON_STOVE, _BOWL_ON_PLATE),
        ),
        Conditional(
            "rack_or_drawer_by_stove",
            "if the stove is on, put the wine bottle on the rack, otherwise open the middle drawer",
            _stove(_BOTTLE_ON_RACK, ("Open", _MIDDLE)),
        ),
        Conditional(
            "close_or_cheese_by_drawer",
            "if the top drawer is open, close it, otherwise put the cream cheese in the bowl",
            _drawer(("Close", _TOP), _CHEESE_IN_BOWL),
        ),
        Conditional(
            "bottle_by_drawer",
            "if the middle drawer is open, put the wine bottle on the rack, "
            "otherwise put the wine bottle on top of the cabinet",
            _drawer(_BOTTLE_ON_RACK, _BOTTLE_ON_CABINET, _MIDDLE_OPEN),
        ),
        Conditional(
            "bowl_by_its_place",
            "if the bowl is on the stove, put it on the plate, otherwise put it on the stove",
            _bowl(_BOWL_ON_PLATE, _BOWL_ON_STOVE),
        ),
        Conditional(
            "milk_or_juice",
            "if there is milk, put it in the basket, otherwise put the orange juice in the basket",
            _there("milk", "orange_juice", "cream_cheese", "tomato_sauce", "butter", "chocolate_pudding", "ketchup"),
        ),
        Conditional(
            "bowl_by_bottle",
            "if the wine bottle is to the left of the bowl, put the bowl on the plate, "
            "otherwise put the bowl on the stove",
            _bottle(_BOWL_ON_PLATE, _BOWL_ON_STOVE),
        ),
        Conditional(
            "left_of_two_cans",
            "put whichever of the alphabet soup and the tomato sauce is on the left in the basket",
            _left_of_two("alphabet_soup", "tomato_sauce", "cream_cheese", "milk", "butter", "ketchup", wanted="left"),
        ),
        Conditional(
            "cabinet_or_stove_by_stove",
            "if the stove is on, put the bowl on top of the cabinet, otherwise turn the stove on",
            _stove(_BOWL_ON_CABINET, ("Turnon", "flat_stove_1")),
        ),
    ),
    HELD_OUT: (
        Conditional(
            "bowl_by_drawer",
            "if the top drawer is open, put the bowl on the stove, otherwise put the bowl on top of the cabinet",
            _drawer(_BOWL_ON_STOVE, _BOWL_ON_CABINET),
        ),
        Conditional(
            "bowl_by_stove",
            "if the stove is on, put the bowl on the plate, otherwise put the bowl on the stove",
            _stove(_BOWL_ON_PLATE, _BOWL_ON_STOVE),
        ),
        Conditional(
            "rack_or_drawer_by_stove",
            "if the stove is on, open the middle drawer, otherwise put the wine bottle on the rack",
            _stove(("Open", _MIDDLE), _BOTTLE_ON_RACK),
        ),
        Conditional(
            "bottle_or_cheese_by_drawer",
            "if the top drawer is open, put the wine bottle on the rack, otherwise put the cream cheese in the bowl",
            _drawer(_BOTTLE_ON_RACK, _CHEESE_IN_BOWL),
        ),
        Conditional(
            "bottle_by_drawer",
            "if the middle drawer is open, put the wine bottle on top of the cabinet, "
            "otherwise put the wine bottle on the rack",
            _drawer(_BOTTLE_ON_CABINET, _BOTTLE_ON_RACK, _MIDDLE_OPEN),
        ),
        Conditional(
            "bowl_by_its_place",
            "if the bowl is on the stove, put it on top of the cabinet, otherwise put it on the plate",
            _bowl(_BOWL_ON_CABINET, _BOWL_ON_PLATE),
        ),
        Conditional(
            "ketchup_or_butter",
            "if there is ketchup, put it in the basket, otherwise put the butter in the basket",
            _there("ketchup", "butter", "cream_cheese", "tomato_sauce", "orange_juice", "chocolate_pudding", "milk"),
        ),
        Conditional(
            "bowl_by_bottle",
            "if the wine bottle is to the left of the bowl, put the bowl on the stove, "
            "otherwise put the bowl on the plate",
            _bottle(_BOWL_ON_STOVE, _BOWL_ON_PLATE),
        ),
        Conditional(
            "right_of_two_cans",
            "put whichever of the alphabet soup and the tomato sauce is on the right in the basket",
            _left_of_two("alphabet_soup", "tomato_sauce", "cream_cheese", "milk", "butter", "ketchup", wanted="right"),
        ),
        Conditional(
            "plate_or_stove_by_stove",
            "if the stove is off, turn it on, otherwise put the bowl on the plate",
            (
                Branch("off", table(), ("Turnon", "flat_stove_1")),
                Branch("on", table(_STOVE_ON), _BOWL_ON_PLATE),
            ),
        ),
    ),
}

BENCHMARKS = tuple(_TASKS)
"""Names of the suites' benchmarks."""


def conditional_tasks(benchmark: str) -> tuple[Conditional, ...]:
    """The ten tasks of a benchmark.

    Args:
        benchmark: one of `BENCHMARKS`.
    """
    return _TASKS[benchmark]
