"""Scenes of LIBERO as bddl text: the table of LIBERO-Goal and the floor of LIBERO-Object, with one thing changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Predicate = tuple[str, ...]
"""A predicate of LIBERO and what it is about: ``("On", "plate_1", "flat_stove_1_cook_region")``."""

Range = tuple[float, float, float, float]
"""Where something may stand: from x, from y, to x, to y, in m from the middle of the table or floor."""


@dataclass(frozen=True)
class Scene:
    """What is there, and where.

    Attributes:
        problem: upstream's problem class.
        ground: what it stands on, which is a fixture.
        fixtures, objects: name → category.
        places: name → range on the ground.
        turned: places of fixtures that are turned by half a turn.
        regions: name → the fixture or object that has it.
        states: predicates that hold at the beginning.
    """

    problem: str
    ground: tuple[str, str]
    fixtures: Mapping[str, str]
    objects: Mapping[str, str]
    places: Mapping[str, Range]
    regions: Iterable[tuple[str, str]]
    states: tuple[Predicate, ...]
    turned: frozenset[str] = field(default_factory=frozenset)

    def bddl(self, instruction: str, goal: Predicate) -> str:
        """The text of a task file.

        Args:
            instruction: what a policy is told.
            goal: what has to hold in the end.
        """
        ground, kind = self.ground
        regions = [_place(name, ground, where, name in self.turned) for name, where in self.places.items()]
        regions += [f"    ({name}\n      (:target {owner})\n    )" for name, owner in self.regions]
        fixtures = {ground: kind, **self.fixtures}
        of_interest = [name for name in goal[1:] if name in self.objects] or list(goal[1:2])
        return "\n".join(
            [
                f"(define (problem {self.problem})",
                "  (:domain robosuite)",
                f"  (:language {instruction})",
                "  (:regions",
                *regions,
                "  )",
                _listed("fixtures", (f"{name} - {category}" for name, category in fixtures.items())),
                _listed("objects", (f"{name} - {category}" for name, category in self.objects.items())),
                _listed("obj_of_interest", of_interest),
                _listed("init", map(_said, self.states)),
                f"  (:goal\n    (And {_said(goal)})\n  )",
                ")",
                "",
            ]
        )


def table(*states: Predicate, bottle: str = "right", bowl: str = "table") -> Scene:
    """The table of LIBERO-Goal: a cabinet with three drawers, a stove, a wine rack; bowl, plate, cream cheese, bottle.

    Args:
        states: predicates that hold at the beginning, such as an open drawer; what is not told is closed and off.
        bottle: on which side of the bowl it stands in the main camera's picture, ``left`` or ``right``.
        bowl: where it stands, on the ``table`` or on the ``stove``.
    """
    on_table = {
        "wine_bottle_1": f"wine_bottle_{bottle}_region",
        "plate_1": "plate_region",
        "cream_cheese_1": "cream_cheese_region",
        "wooden_cabinet_1": "cabinet_region",
        "flat_stove_1": "stove_region",
        "wine_rack_1": "wine_rack_region",
    }
    bowl_on = {"table": "main_table_akita_black_bowl_region", "stove": "flat_stove_1_cook_region"}[bowl]
    return Scene(
        problem="LIBERO_Tabletop_Manipulation",
        ground=("main_table", "table"),
        fixtures={"wooden_cabinet_1": "wooden_cabinet", "flat_stove_1": "flat_stove", "wine_rack_1": "wine_rack"},
        objects={
            "akita_black_bowl_1": "akita_black_bowl",
            "cream_cheese_1": "cream_cheese",
            "wine_bottle_1": "wine_bottle",
            "plate_1": "plate",
        },
        places={
            "plate_region": (0.04, -0.03, 0.06, -0.01),
            "akita_black_bowl_region": (-0.10, -0.01, -0.08, 0.01),
            "wine_bottle_left_region": (-0.15, 0.10, -0.13, 0.12),
            "wine_bottle_right_region": (-0.21, -0.06, -0.19, -0.04),
            "cream_cheese_region": (-0.06, 0.12, -0.04, 0.14),
            "cabinet_region": (0.02, -0.25, 0.04, -0.23),
            "stove_region": (-0.42, 0.20, -0.40, 0.22),
            "wine_rack_region": (-0.27, -0.27, -0.25, -0.25),
        },
        turned=frozenset({"cabinet_region", "wine_rack_region"}),
        regions=(
            ("top_region", "wooden_cabinet_1"),
            ("middle_region", "wooden_cabinet_1"),
            ("bottom_region", "wooden_cabinet_1"),
            ("top_side", "wooden_cabinet_1"),
            ("cook_region", "flat_stove_1"),
            ("top_region", "wine_rack_1"),
        ),
        states=(
            *(("On", name, f"main_table_{place}") for name, place in on_table.items()),
            ("On", "akita_black_bowl_1", bowl_on),
            *states,
        ),
    )


# As LIBERO-Object has them. In the main camera's picture the third is far to the left, the first far to the right.
_SPOTS: tuple[Range, ...] = (
    (-0.145, -0.265, -0.095, -0.215),
    (0.025, -0.125, 0.075, -0.075),
    (-0.175, 0.035, -0.125, 0.085),
    (0.075, -0.225, 0.125, -0.175),
    (0.125, 0.005, 0.175, 0.055),
    (-0.225, -0.105, -0.175, -0.055),
)


def floor(*categories: str) -> Scene:
    """The floor of LIBERO-Object: a basket and six things.

    Args:
        categories: of the six, by place; see `_SPOTS`.
    """
    objects = {f"{category}_1": category for category in categories}
    places = {f"spot_{number}_region": where for number, where in enumerate(_SPOTS)}
    return Scene(
        problem="LIBERO_Floor_Manipulation",
        ground=("floor", "floor"),
        fixtures={},
        objects={**objects, "basket_1": "basket"},
        places={"bin_region": (-0.01, 0.25, 0.01, 0.27), **places},
        regions=(("contain_region", "basket_1"),),
        states=(
            *(("On", name, f"floor_spot_{number}_region") for number, name in enumerate(objects)),
            ("On", "basket_1", "floor_bin_region"),
        ),
    )


def _said(predicate: Predicate) -> str:
    return f"({' '.join(predicate)})"


def _listed(title: str, lines: Iterable[str]) -> str:
    return "\n".join([f"  (:{title}", *(f"    {line}" for line in lines), "  )"])


def _place(name: str, ground: str, where: Range, turned: bool) -> str:
    ranges = " ".join(f"{number:g}" for number in where)
    turn = "\n      (:yaw_rotation ((3.141592653589793 3.141592653589793)))" if turned else ""
    return f"    ({name}\n      (:target {ground})\n      (:ranges (({ranges}))){turn}\n    )"
