"""What a policy said is scored from the files of its run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmact_eval.results.plan_scores import read_plan_scores
from mmact_eval.runs.manifest import Manifest
from mmact_eval.runs.reading import Run
from mmact_eval.types import Episode, EpisodeResult


def test_scores_are_means_over_what_can_be_scored(tmp_path: Path) -> None:
    said = [
        {"text": "reach", "reference": "reach"},
        {"text": "reach", "reference": "grasp", "psnr": 20.0, "ssim": 0.5},
        {"text": "reach"},
        {"text": None, "ssim": 1.0},  # equal pictures have no PSNR
    ]
    lines = [*map(json.dumps, said), "no json", "[]"]
    (tmp_path / "said.jsonl").write_text("\n".join(lines))
    results = [
        EpisodeResult(Episode("toy", "easy", 0, 0), "success", artifacts={"plan": "said.jsonl"}),
        EpisodeResult(Episode("toy", "easy", 1, 0), "success", artifacts={"plan": "gone.jsonl"}),
        EpisodeResult(Episode("toy", "easy", 2, 0), "failure"),
    ]
    scores = read_plan_scores(Run(tmp_path, Manifest(), (), tuple(results)))
    assert scores is not None
    assert (scores.texts, scores.same, scores.pictures, scores.psnr) == (2, 1, 2, 20.0)
    assert scores.ssim == pytest.approx(0.75)
    assert read_plan_scores(Run(tmp_path, Manifest(), (), tuple(results[1:]))) is None
