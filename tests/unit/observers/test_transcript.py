"""What a policy says is kept once, and costs nothing where nothing is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import imageio.v2 as imageio
import numpy as np

from mmact_eval.observers.artifacts import FolderArtifacts
from mmact_eval.observers.transcript import TranscriptRecorder
from mmact_eval.types import Episode, EpisodeResult, Observation, PolicyOutput, Query

EPISODE = Episode("toy", "easy", 3, 7)
ENV: Any = None


def play(folder: Path, answers: list[tuple[str | None, bool]]) -> dict[str, str]:
    """Four steps after each answer (text, whether there is an image)."""
    recorder = TranscriptRecorder(FolderArtifacts(folder))
    observation = Observation({}, {}, "go")
    recorder.on_begin(EPISODE, ENV, observation)
    for index, (text, imagines) in enumerate(answers):
        image = np.full((8, 8, 3), 90, np.uint8) if imagines else None
        actions = np.zeros((4, 2), np.float32)
        recorder.on_query(Query(observation, EPISODE, index), PolicyOutput(actions, text=text, image=image))
        recorder.on_steps(ENV, actions, observation)
    return dict(recorder.on_end(EpisodeResult(EPISODE, "success")))


def test_new_texts_and_images_are_kept_with_their_steps(tmp_path: Path) -> None:
    made = play(tmp_path, [("reach", False), ("reach", False), (None, False), ("grasp – now", True)])
    assert made == {"plan": "plans/easy/init03-seed7.jsonl"}
    said = [json.loads(line) for line in (tmp_path / made["plan"]).read_text().splitlines()]
    assert [(entry["query"], entry["step"], entry["text"]) for entry in said] == [
        (0, 0, "reach"),
        (3, 12, "grasp – now"),
    ]
    assert imageio.imread(tmp_path / said[1]["image"]).shape == (8, 8, 3)


def test_a_silent_policy_leaves_no_file(tmp_path: Path) -> None:
    assert play(tmp_path, [(None, False), (None, False)]) == {}
    assert not list(tmp_path.iterdir())
