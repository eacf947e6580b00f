"""What was displaced in an episode (see `transforms.disturbance`), kept with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmact_eval.observers.artifacts import Artifacts
from mmact_eval.protocols import Env
from mmact_eval.transforms.disturbance import ARTIFACT, DISPLACED, METRES
from mmact_eval.types import Episode, EpisodeResult, Observation, PolicyOutput, Query


class DisturbanceRecorder:
    """Writes ``disturbances/<task>/init00-seed0.json``: ``{"step": 23, "what": …}``; nothing if nothing was displaced.

    Attributes:
        artifact: what it makes.
        stride: None: the environment remembers.
    """

    artifact = ARTIFACT

    def __init__(self, artifacts: Artifacts) -> None:
        """`artifacts`: the file goes to ``disturbances/<task>/``."""
        self.stride: int | None = None
        self._artifacts = artifacts
        self._happened: dict[str, Any] | None = None
        self._metres = 0.0

    def on_begin(self, episode: Episode, env: Env, observation: Observation) -> None:
        """Nothing has happened yet."""

    def on_query(self, query: Query, output: PolicyOutput) -> None:
        """Not looked at."""

    def on_steps(self, env: Env, actions: NDArray[np.float32], observation: Observation) -> None:
        """Ask the environment what has happened."""
        self._happened, self._metres = getattr(env, "happened", None), getattr(env, "displaced", 0.0)

    def on_end(self, result: EpisodeResult) -> Mapping[str, str]:
        """Write it down.

        Returns:
            ``{"disturbance": path relative to the run folder}``, or nothing.

        Raises:
            OSError: it could not be written.
        """
        if self._happened is None:
            return {}
        stem = Path("disturbances") / result.episode.file_stem
        name = str(stem.with_name(f"{stem.name}.json"))
        with self._artifacts.place(name) as file:
            file.write_text(json.dumps(self._happened) + "\n", encoding="utf-8")
        return {ARTIFACT: name}

    def figures(self, result: EpisodeResult) -> Mapping[str, float]:
        """Whether something was displaced, and how far."""
        if self._happened is None:
            return {DISPLACED: 0.0}
        return {DISPLACED: 1.0, METRES: self._metres}
