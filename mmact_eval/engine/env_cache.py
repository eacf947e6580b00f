"""The environments that a worker keeps open."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from collections import OrderedDict
from collections.abc import Callable, Sequence

from mmact_eval.engine.jobs import Place, World
from mmact_eval.optional import MeasuresMemory
from mmact_eval.protocols import Env, EnvPlugin


class EnvCache:
    """The last few environments, the least recently used closed first."""

    def __init__(self, plugin: EnvPlugin, worlds: Sequence[World], size: int, building: Callable[[bool], None]) -> None:
        """
        Args:
            plugin: builds them.
            worlds: what for.
            size: how many are kept open.
            building: told true before one is built, and false when it is there.
        """
        self._plugin = plugin
        self._worlds = worlds
        self._size = size
        self._building = building
        self._tasks = [{task.name: task for task in plugin.tasks(world.suite)} for world in worlds]
        self._envs: OrderedDict[Place, Env] = OrderedDict()

    @property
    def places(self) -> tuple[Place, ...]:
        """What there are environments of, the most recently used last."""
        return tuple(self._envs)

    def get(self, place: Place) -> Env:
        """The environment of a task in a world, built if need be."""
        if place not in self._envs:
            while len(self._envs) >= self._size:
                self._envs.popitem(last=False)[1].close()
                _give_memory_back()
            self._building(True)
            number, task = place
            world = self._worlds[number]
            self._envs[place] = self._plugin.make(world.suite, self._tasks[number][task], world.needs)
            self._building(False)
        self._envs.move_to_end(place)
        return self._envs[place]

    def peak_memory_mib(self) -> float:
        """The most memory that processes of the open environments have had, where simulators run in their own."""
        return sum(float(env.peak_memory_mib()) for env in self._envs.values() if isinstance(env, MeasuresMemory))

    def close(self) -> None:
        """Close them all; one that fails to does not keep the others open."""
        while self._envs:
            with contextlib.suppress(Exception):
                self._envs.popitem()[1].close()


def _give_memory_back() -> None:
    """Simulators hold themselves in reference cycles, and the C library keeps what they free: half a GB each."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
