"""Whether a policy did what would have been right in the other branch of a conditional task."""

from __future__ import annotations

from typing import Any

FIGURE = "wrong_branch"
"""As the environment's figure: 1 if the other branch's goal came to hold in the episode, else 0."""


class OtherBranch:
    """Watches the goal of the other branch. Reading it never changes the simulation.

    It tells nothing where that goal cannot be told from what is there: it held at the beginning already (a drawer that
    is closed cannot be closed), or a thing that it names is not in this scene.
    """

    def __init__(self, problem: Any, goal: tuple[str, ...]) -> None:
        """
        Args:
            problem: upstream's environment, right after its scene was settled.
            goal: the predicate, as in a bddl file; () if there is no other branch.
        """
        self._problem = problem
        self._goal = [goal[0].lower(), *goal[1:]] if goal else []
        there = all(name in problem.object_states_dict for name in self._goal[1:])
        self._tells = bool(goal) and there and not self._holds()
        self._reached = False

    def look(self) -> None:
        """Look at the goal, after a step."""
        if self._tells and not self._reached:
            self._reached = self._holds()

    def figures(self) -> dict[str, float]:
        """What it comes to so far."""
        return {FIGURE: float(self._reached)} if self._tells else {}

    def _holds(self) -> bool:
        return bool(self._problem._eval_predicate(self._goal))
