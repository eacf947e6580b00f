"""Whether a policy did what the other branch asks for: told only where it can be told."""

from __future__ import annotations

import pytest

from mmact_eval.envs.libero.conditional.other_branch import OtherBranch


class Problem:
    """Upstream's environment, as far as goals are concerned."""

    def __init__(self, holds: bool) -> None:
        self.object_states_dict = {"bowl_1": object(), "plate_1": object()}
        self.holds = holds

    def _eval_predicate(self, goal: list[str]) -> bool:
        assert goal == ["on", "bowl_1", "plate_1"]
        return self.holds


def test_a_goal_that_came_to_hold_counts_though_it_does_not_hold_in_the_end() -> None:
    problem = Problem(holds=False)
    other = OtherBranch(problem, ("On", "bowl_1", "plate_1"))
    figures = []
    for holds in (False, True, False):
        problem.holds = holds
        other.look()
        figures.append(other.figures()["wrong_branch"])
    assert figures == [0.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("holds", "goal"),
    [(True, ("On", "bowl_1", "plate_1")), (False, ("In", "milk_1", "basket_1_contain_region")), (False, ())],
    ids=["held at the beginning", "is not there", "no other branch"],
)
def test_where_it_cannot_be_told_nothing_is_said(holds: bool, goal: tuple[str, ...]) -> None:
    other = OtherBranch(Problem(holds), goal)
    other.look()
    assert other.figures() == {}
