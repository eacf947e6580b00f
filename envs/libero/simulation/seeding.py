"""Which scene an episode gets: the two seed modes.

A LIBERO init state fixes joints. Fixtures (cabinets, stoves, racks) are drawn at every reset from numpy's *global*
generator, so in the usual loop an episode's scene depends on how many resets came before it.

``episode``
    The generator is seeded with ``episode.derived_seed("scene")`` right before the reset, which draws once from each
    sampler of the task's bddl file. The scene depends on the episode alone.

``upstream``
    The scene that the sequential loop has at that episode: build the environment, ``env.seed(seed)`` once, then for
    k = 0, 1, … ``env.reset(); env.set_init_state(init_states[k])``. Two things make it depend on k. The generator runs
    on from reset to reset; and each of upstream's hard resets appends the samplers of doors, drawers and knobs once
    more without removing the old ones, so that reset k draws k + 2 times from each (one set is left by the
    constructor). Here the generator's state before each reset is kept, and missing ones are found by doing the resets
    in between, softly (60 to 80 ms each) and without rollouts, which draw nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mmact_eval.envs.libero.simulation.simulation import Simulation
from mmact_eval.suite import SeedMode
from mmact_eval.types import Episode


class SceneDrawer:
    """Resets a simulation to the scene of an episode, in any order of episodes."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._one_set: list[Any] = list(simulation.samplers)
        # seed → for each k: the generator's state before reset k, and how many sampler sets there were.
        self._before: dict[int, list[tuple[Any, int]]] = {}

    def reset(self, episode: Episode, mode: SeedMode) -> None:
        """Reset to the episode's scene; the init state is not yet set."""
        if mode == "episode":
            np.random.seed(episode.derived_seed("scene"))
            self._reset_once(0)
        else:
            self._reset_as_sequential_loop(episode.seed, episode.init_state)

    def _reset_as_sequential_loop(self, seed: int, index: int) -> None:
        known = self._before.setdefault(seed, [])
        if not known:
            np.random.seed(seed)
            known.append((np.random.get_state(), 1))
        for reset in range(min(index, len(known) - 1), index + 1):
            generator, sets = known[reset]
            np.random.set_state(generator)
            sets = self._reset_once(sets)
            if reset + 1 == len(known):
                known.append((np.random.get_state(), sets))

    def _reset_once(self, sets: int) -> int:
        """One of upstream's resets, which tries again, with one more set of samplers, when an object finds no place.

        Args:
            sets: sampler sets before it.

        Returns:
            Sampler sets after it.
        """
        from robosuite.utils.errors import RandomizationError

        while True:
            sets += 1
            self._simulation.samplers[:] = self._one_set * sets
            try:
                self._simulation.reset()
            except RandomizationError:
                continue
            return sets
