"""Targets of the toy that are given one after another, each in a colour of its own (``protocol.stages``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mmact_eval.envs.toy.world import Scene, place_target
from mmact_eval.types import Episode, Stage

COLOURS: Mapping[str, tuple[int, int, int]] = {
    "red": (214, 60, 50),
    "green": (60, 150, 70),
    "orange": (230, 150, 30),
    "purple": (130, 70, 170),
    "black": (20, 20, 20),
}
"""The first is that of the only target where there is one."""

MOST_STAGES = len(COLOURS)


def instruction(task: str, colour: str) -> str:
    """A stage in words."""
    way = " through the gap in the wall" if task == "hard" else ""
    return f"move the blue point{way} to the {colour} target"


class Stages:
    """An episode's targets, and how far it has come with them.

    Attributes:
        targets: (number, 2) float64, x and y of each, m; decided at the reset.
        attempted: the stages so far, the one under way last.
    """

    def __init__(self, task: str, number: int, episode: Episode, scene: Scene) -> None:
        """
        Args:
            task: ``easy`` or ``hard``.
            number: of stages, from 1 to `MOST_STAGES`.
            episode: decides targets and colours; those of fewer stages are the first of more.
            scene: with the first target.
        """
        rng = np.random.default_rng(episode.derived_seed("stages"))
        mixed = [list(COLOURS)[k] for k in rng.permutation(MOST_STAGES)]
        self._task = task
        self._colours = mixed[:number] if number > 1 else list(COLOURS)[:1]
        targets = [scene.target]
        while len(targets) < number:
            targets.append(place_target(task, targets[-1], rng))
        self.targets: NDArray[np.float64] = np.array(targets)
        self.attempted: tuple[Stage, ...] = (self._fresh(0),)

    @property
    def instruction(self) -> str:
        """Of the stage under way."""
        return instruction(self._task, self._colours[len(self.attempted) - 1])

    def in_force(self, scene: Scene) -> Scene:
        """The scene with the target of the stage under way."""
        number = len(self.attempted) - 1
        return replace(scene, target=self.targets[number], colour=COLOURS[self._colours[number]])

    def step(self, solved: bool) -> bool:
        """A step was executed.

        Args:
            solved: whether it reached the target.

        Returns:
            Whether a further stage is now under way.
        """
        *before, now = self.attempted
        self.attempted = (*before, replace(now, steps=now.steps + 1, success=solved))
        goes_on = solved and len(self.attempted) < len(self._colours)
        if goes_on:
            self.attempted = (*self.attempted, self._fresh(len(self.attempted)))
        return goes_on

    def _fresh(self, number: int) -> Stage:
        return Stage(f"{self._task}-{self._colours[number]}", steps=0, success=False)
