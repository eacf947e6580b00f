"""Videos that were asked for and are not there: their episodes were done without, or the disk was full.

An episode is the same rollout whenever it is run, so its video can be made at any time by rolling it out once more. Its
result is done and stays what it is; if the second rollout differs, its video shows something else and is not kept.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmact_eval.observers.artifacts import Artifacts, ObserverFactory
from mmact_eval.observers.video import ARTIFACT, VideoMode, wanted
from mmact_eval.optional import NamesArtifact
from mmact_eval.protocols import Env, MeasuringObserver
from mmact_eval.types import Episode, EpisodeResult, Observation, PolicyOutput, Query
from mmact_eval.wording import counted


def without_video(folder: Path, mode: VideoMode, results: Iterable[EpisodeResult]) -> list[EpisodeResult]:
    """Those whose video is wanted and not in the run folder."""
    return [
        result
        for result in results
        if wanted(mode, result)
        and not (ARTIFACT in result.artifacts and (folder / result.artifacts[ARTIFACT]).is_file())
    ]


class SecondRollouts:
    """The episodes of a run that are rolled out again for their videos alone.

    Attributes:
        episodes: which.
    """

    def __init__(self, folder: Path, mode: VideoMode, episodes: frozenset[Episode]) -> None:
        """
        Args:
            folder: the run folder.
            mode: which videos are wanted.
            episodes: see above.
        """
        self.episodes = episodes
        self._folder = folder
        self._mode = mode
        self._failed: dict[Episode, str] = {}

    @property
    def announced(self) -> str:
        """What is about to happen, a sentence."""
        return (
            f"{counted(len(self.episodes), 'episode that is done has', 'episodes that are done have')} no video: "
            "rolled out again for it, while results stay as they are."
        )

    def spared(self, observers: Sequence[ObserverFactory]) -> list[ObserverFactory]:
        """The observers, which look away in these episodes."""
        if not self.episodes:
            return list(observers)
        return [functools.partial(_NotAgain, make, self.episodes) for make in observers]

    def keep(self, before: EpisodeResult, again: EpisodeResult) -> tuple[EpisodeResult, str]:
        """The result as it was, with the video of the second rollout.

        Args:
            before: the episode's result.
            again: of the second rollout.

        Returns:
            The result to be kept, and why it has no video, "" if it has one.
        """
        made = again.artifacts.get(ARTIFACT)
        why = _why_not(before, again)
        if made and not why:
            return replace(before, artifacts={**before.artifacts, ARTIFACT: made}), ""
        if made:
            (self._folder / made).unlink(missing_ok=True)
        self._failed[before.episode] = why
        return before, why

    def missing(self, results: Iterable[EpisodeResult]) -> tuple[int, str]:
        """How many videos are still missing, and that in words."""
        missing = without_video(self._folder, self._mode, results)
        said = (self._failed.get(one.episode) or one.artifacts.get(f"{ARTIFACT}_error") for one in missing)
        why = next((f" ({text})" for text in said if text), "")
        told = f"videos that were asked for and are missing: {len(missing)}{why}; the same command tries to make them"
        return len(missing), told


def _why_not(before: EpisodeResult, again: EpisodeResult) -> str:
    """Why the second rollout's video is none of the result, "" if it is."""
    if again.outcome == "error":
        return f"rolled out again for its video, it ended in an error: {again.error}"
    if again.course() != before.course():
        return (
            f"rolled out again for its video, it went another way ({_told(before)}; now {_told(again)}). The result "
            "stays as it was, without a video. The policy or the machine does not repeat itself"
        )
    return "" if ARTIFACT in again.artifacts else again.artifacts.get(f"{ARTIFACT}_error", "none was made")


def _told(result: EpisodeResult) -> str:
    return f"{result.outcome} after {result.steps} steps, final state {result.final_hash or 'unknown'}"


class _NotAgain:
    """An observer that looks away in episodes that are rolled out again: what it made of them is done, and stays.

    Attributes:
        stride: the observer's.
    """

    def __init__(self, make: ObserverFactory, again: frozenset[Episode], artifacts: Artifacts) -> None:
        """
        Args:
            make: makes the observer.
            again: the episodes.
            artifacts: where it puts what it makes.
        """
        self._inner = make(artifacts)
        self._again = again
        self._watches = True
        self.artifact = self._inner.artifact if isinstance(self._inner, NamesArtifact) else type(self._inner).__name__
        self.stride = self._inner.stride

    def on_begin(self, episode: Episode, env: Env, observation: Observation) -> None:
        """Is it one of them?"""
        self._watches = episode not in self._again
        if self._watches:
            self._inner.on_begin(episode, env, observation)

    def on_query(self, query: Query, output: PolicyOutput) -> None:
        """Pass it on."""
        if self._watches:
            self._inner.on_query(query, output)

    def on_steps(self, env: Env, actions: NDArray[np.float32], observation: Observation) -> None:
        """Pass it on."""
        if self._watches:
            self._inner.on_steps(env, actions, observation)

    def on_end(self, result: EpisodeResult) -> Mapping[str, str]:
        """Pass it on; nothing new of an episode that is rolled out again."""
        return self._inner.on_end(result) if result.episode not in self._again else {}

    def figures(self, result: EpisodeResult) -> Mapping[str, float]:
        """Pass it on, if the observer measures."""
        if result.episode in self._again or not isinstance(self._inner, MeasuringObserver):
            return {}
        return self._inner.figures(result)
