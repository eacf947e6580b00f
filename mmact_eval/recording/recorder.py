"""Watches an episode and keeps it as a demonstration if it succeeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mmact_eval.observers.artifacts import Artifacts
from mmact_eval.protocols import Env
from mmact_eval.recording.layout import Frame, Layout
from mmact_eval.recording.perturbed import BEFORE, CLEAN_ACTIONS
from mmact_eval.types import Episode, EpisodeResult, Observation, PolicyOutput, Query

ARTIFACT = "demonstration"


class DemonstrationRecorder:
    """Pairs each executed action with the observation before it.

    An environment draws images late, when the scene is about to change, for whoever holds them: so each frame is drawn
    once, and those of the random start never. With `Layout.every` k only frames 0, k, 2k, … are drawn. Frames stay in
    memory until the outcome is known (0.2 MB for each image of 256×256 pixels that was drawn).

    Attributes:
        artifact: what it makes.
        stride: environment steps between two looks: every one.
    """

    artifact = ARTIFACT

    def __init__(self, artifacts: Artifacts, staging: str, layout: Layout) -> None:
        """
        Args:
            artifacts: where demonstrations go.
            staging: the folder for them in the run folder.
            layout: the columns.
        """
        self.stride: int | None = 1
        self._artifacts = artifacts
        self._staging = staging
        self._layout = layout
        self._frames: list[Frame] = []
        self._start_actions: list[NDArray[np.float32]] = []
        self._before: Observation | None = None  # None within the random start
        self._pictures: Mapping[str, NDArray[np.uint8]] = {}
        self._intended = np.zeros((0, layout.action_dim), np.float32)
        self._subtask: str | None = None
        self._starting = False

    def on_begin(self, episode: Episode, env: Env, observation: Observation) -> None:
        """Nothing was done yet."""

    def on_query(self, query: Query, output: PolicyOutput) -> None:
        """What the policy means to do, and why."""
        self._starting = bool(output.extras.get(BEFORE, False))
        self._before = None if self._starting else self._seen(query.observation)
        self._intended = np.asarray(output.extras.get(CLEAN_ACTIONS, output.actions), np.float32)
        self._subtask = output.text

    def on_steps(self, env: Env, actions: NDArray[np.float32], observation: Observation) -> None:
        """A frame: what was seen before the action, and the action."""
        action = np.array(actions[0])
        if self._before is None:
            self._start_actions.append(action)
            return
        age = len(self._frames) % self._layout.every
        if age == 0:
            self._pictures = {camera: self._before.images[camera] for camera in self._layout.cameras}
        frame = Frame(
            images=self._pictures,
            states=self._layout.state_vectors(self._before.state),
            action=action,
            intended=np.array(self._intended[0]),
            instruction=self._before.instruction,
            subtask=self._subtask,
            age=age,
        )
        self._frames.append(frame)
        self._intended = self._intended[1:]
        self._before = self._seen(observation)

    def _seen(self, observation: Observation) -> Observation:
        """The observation of the next frame; without the images, which are then not drawn, if it is not its turn."""
        drawn = len(self._frames) % self._layout.every == 0
        return observation if drawn else replace(observation, images={})

    def on_end(self, result: EpisodeResult) -> Mapping[str, str]:
        """Stage the demonstration of a success.

        Returns:
            ``{"demonstration": its folder, relative to the run folder}``, "" if the task was solved before the
            demonstration began.

        Raises:
            OSError: it could not be written.
        """
        from mmact_eval.recording.staging import stage  # needs pyarrow, which the command looks for first

        self._before = None
        if result.outcome != "success":
            return {}
        if not self._frames:
            return {ARTIFACT: ""}
        name = f"{self._staging}/{result.episode.file_stem}"
        stage(self._artifacts, name, self._layout, result, self._frames, self._start_actions)
        self._frames = []
        return {ARTIFACT: name}
