"""A policy that looks: it answers with what the expert did in the recorded frames most like the one it is shown.

A genuine function of both images and the state, for tests on real simulators. Faults are planted by arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmact_eval import PolicyOutput, PolicySpec
from mmact_eval.probe.reference import Frame, load
from mmact_eval.specs import EnvSpec
from mmact_eval.types import Episode, Observation, Query

CHUNK = 8
_CELLS = 16
_NEIGHBOURS = 3


class Memory:
    """Answers from recorded frames.

    Args:
        env_spec: the environment.
        frames: folder with frames of the expert, as `mmact-eval probe` keeps them.
        first: number of the first init state that it remembers; the others are for probing.
        turned: it wants its images turned by 180°.
        swapped: it takes its cameras for each other.
        inverted: its gripper is the wrong way round.
    """

    def __init__(
        self,
        env_spec: EnvSpec,
        frames: str,
        first: int = 0,
        turned: bool = False,
        swapped: bool = False,
        inverted: bool = False,
    ) -> None:
        self._turned, self._swapped, self._inverted = turned, swapped, inverted
        self.spec = PolicySpec(
            name="memory",
            action=env_spec.action,
            chunk=CHUNK,
            cameras=tuple(env_spec.cameras),
            state=env_spec.proprioception,
        )
        kept = [f for file in sorted(Path(frames).rglob("*.npz")) for f in load(file) if f.episode.init_state >= first]
        self._chunks = np.stack([_padded(frame) for frame in kept])
        rows = np.stack([self._row(frame.observation) for frame in kept])
        self._middle, self._spread = rows.mean(axis=0), rows.std(axis=0) + 1e-3
        self._rows = (rows - self._middle) / self._spread

    def reset(self, episodes: Sequence[Episode]) -> None: ...

    def act(self, queries: Sequence[Query]) -> list[PolicyOutput]:
        return [PolicyOutput(self._answer(query.observation)) for query in queries]

    def _answer(self, seen: Observation) -> NDArray[np.float32]:
        row = (self._row(self._planted(seen)) - self._middle) / self._spread
        pixels = row.size - sum(np.size(seen.state[key]) for key in self.spec.state)
        squares = (self._rows - row) ** 2
        distance = squares[:, :pixels].mean(axis=1) + squares[:, pixels:].mean(axis=1)
        near = np.argsort(distance)[:_NEIGHBOURS]
        chunk: NDArray[np.float32] = self._chunks[near].mean(axis=0)
        if self._inverted:
            chunk = chunk * np.array([1, 1, 1, 1, 1, 1, -1], np.float32)
        return chunk

    def _planted(self, seen: Observation) -> Observation:
        images = dict(seen.images)
        if self._swapped:
            images = dict(zip(images, reversed(list(images.values())), strict=True))
        if self._turned:
            images = {camera: picture[::-1, ::-1] for camera, picture in images.items()}
        return replace(seen, images=images)

    def _row(self, seen: Observation) -> NDArray[np.float64]:
        parts = []
        for camera in self.spec.cameras:
            picture = seen.images[camera].astype(np.float64)
            side = len(picture) // _CELLS
            cells = picture[: side * _CELLS, : side * _CELLS].reshape(_CELLS, side, _CELLS, side, 3)
            parts.append(cells.mean(axis=(1, 3)).ravel())
        return np.concatenate([*parts, *(seen.state[key] for key in self.spec.state)])


def _padded(frame: Frame) -> NDArray[np.float32]:
    padded: NDArray[np.float32] = np.concatenate([frame.actions, np.repeat(frame.actions[-1:], CHUNK, axis=0)])[:CHUNK]
    return padded
