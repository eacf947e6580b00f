"""Videos of episodes, made by watching them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mmact_eval.observers.artifacts import Artifacts
from mmact_eval.observers.video_encoder import encode
from mmact_eval.protocols import Env
from mmact_eval.types import Episode, EpisodeResult, Observation, PolicyOutput, Query

VideoMode = Literal["none", "failures", "all"]

ARTIFACT = "video"

_UNTIMED_HZ = 10.0
"""Actions a second in videos of environments whose actions have no fixed duration, as in RoboTwin's own videos."""

_CRF = 10
"""H.264's constant quality, 0 (lossless) to 51."""


def wanted(mode: VideoMode, result: EpisodeResult) -> bool:
    """Whether an episode that ended so is to have a video."""
    return mode == "all" or (mode == "failures" and result.outcome != "success")


class VideoRecorder:
    """Writes an H.264 video of an episode, in real time as the robot would move.

    A frame is what `Env.render` shows every `stride` steps. Frames are kept in memory until the outcome is known
    (about 0.2 MB each at 256×256).

    What a policy said is drawn on the right of the frames that followed, in episodes where it asks for that
    (`PolicyOutput.extras`, ``panel``). Where episodes have stages, the instruction of the one under way is drawn below
    the frames, with its number.

    Attributes:
        artifact: what it makes.
        stride: environment steps between two frames.
    """

    artifact = ARTIFACT

    def __init__(self, artifacts: Artifacts, mode: VideoMode, stride: int = 5, stages: int = 1) -> None:
        """
        Args:
            artifacts: videos go to ``videos/<task>/``.
            mode: ``failures`` keeps episodes that did not succeed (errors too), ``all`` every one.
            stride: environment steps between two frames.
            stages: how many an episode can have.
        """
        self.stride: int | None = stride
        self._artifacts = artifacts
        self._mode = mode
        self._stages = stages
        self._captions: list[tuple[int, str]] = []
        self._frames: list[NDArray[np.uint8]] = []
        self._said: list[tuple[int, str | None, NDArray[np.uint8] | None]] = []
        self._steps = 0
        self._hz = 20.0

    def on_begin(self, episode: Episode, env: Env, observation: Observation) -> None:
        """The first frame."""
        self._frames = [env.render()]
        self._said = []
        self._captions = []
        self._steps = 0
        self._hz = env.interface.action.hz or _UNTIMED_HZ

    def on_query(self, query: Query, output: PolicyOutput) -> None:
        """Keep what is to be drawn from now on; a new text leaves the picture there is, and the other way round."""
        if query.index == 0 or query.new_stage:
            number = f"{len(self._captions) + 1}/{self._stages}"
            self._captions.append((len(self._frames) - 1, f"{number} {query.observation.instruction}"))
        if output.extras.get("panel"):
            _, text, picture = self._said[-1] if self._said else (0, None, None)
            text = text if output.text is None else output.text
            picture = picture if output.image is None else np.array(output.image)
            self._said.append((len(self._frames) - 1, text, picture))

    def on_steps(self, env: Env, actions: NDArray[np.float32], observation: Observation) -> None:
        """The next frame."""
        self._frames.append(env.render())
        self._steps += len(actions)

    def on_end(self, result: EpisodeResult) -> Mapping[str, str]:
        """Write the video, if it is wanted.

        Returns:
            ``{"video": path relative to the run folder}``.

        Raises:
            EncodingFailed, OSError: it could not be written.
        """
        if not wanted(self._mode, result) or not self._frames:
            return {}
        stem = Path("videos") / result.episode.file_stem
        name = str(stem.with_name(f"{stem.name}-{result.outcome}.mp4"))
        with self._artifacts.place(name, replaces=f"{stem.name}-*.mp4") as file:  # of attempts that ended in errors
            self._write(file)
        self._frames = []
        return {ARTIFACT: name}

    def _write(self, file: Path) -> None:
        steps_a_frame = self._steps / max(1, len(self._frames) - 1)
        fps = self._hz / steps_a_frame if steps_a_frame else self._hz
        encode(file, self._shown(max(1, round(fps / 2))), fps, ["-crf", str(_CRF)])

    def _shown(self, rest: int) -> Iterator[NDArray[np.uint8]]:
        """The frames; the last one so many times more, to rest on the end for half a second."""
        frame = self._frames[0]
        for frame in self._with_panels():
            yield frame
        for _ in range(rest):
            yield frame

    def _with_panels(self) -> Iterator[NDArray[np.uint8]]:
        """The frames, each with what was said last before it, and the instruction where there are several."""
        if not self._said and self._stages == 1:
            yield from self._frames
            return
        from mmact_eval.observers.video_panel import above, beside

        upcoming, captions = list(self._said), list(self._captions)
        text, picture, caption = None, None, ""
        for number, frame in enumerate(self._frames):
            while upcoming and upcoming[0][0] <= number:
                _, text, picture = upcoming.pop(0)
            while captions and captions[0][0] <= number:
                _, caption = captions.pop(0)
            shown = beside(frame, text, picture) if self._said else frame
            yield above(shown, caption) if self._stages > 1 else shown
