"""What watches episodes with stages shows whose turn it is."""

from __future__ import annotations

import json
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from counted_policies import FORGETFUL

from mmact_eval.config.suite_file import load_suite
from mmact_eval.observers.video_encoder import require_encoder
from mmact_eval.observers.video_panel import above
from mmact_eval.runs.runner import RunRequest, execute


def test_a_transcript_tells_the_instruction_and_a_video_shows_it(tmp_path: Path) -> None:
    require_encoder("")
    suite = load_suite("toy-stages", ["protocol.resolution=256"])
    asked = RunRequest(suite=suite, policy=FORGETFUL, episodes=1, tasks="easy", video="all", out=tmp_path)
    (result,) = execute(asked).results
    said = [json.loads(line) for line in (tmp_path / result.artifacts["plan"]).read_text().splitlines()]
    assert [line["text"] for line in said] == [line["instruction"] for line in said]
    starts = np.cumsum([0, *[stage.steps for stage in result.stages]])[:-1]
    assert [line["step"] for line in said] == starts.tolist()
    frames = iio.imread(tmp_path / result.artifacts["video"])
    assert frames.shape[1:] == (256 + 48, 256, 3)
    strips = [frame[256:].astype(int) for frame in frames]
    assert all(strip.max() > 150 for strip in strips)
    assert np.abs(strips[0] - strips[-1]).mean() > 1


def test_without_stages_nothing_is_added(tmp_path: Path) -> None:
    asked = RunRequest(load_suite("toy"), FORGETFUL, episodes=1, tasks="easy", video="all", out=tmp_path)
    (result,) = execute(asked).results
    assert "instruction" not in (tmp_path / result.artifacts["plan"]).read_text()
    assert iio.imread(tmp_path / result.artifacts["video"]).shape[1:] == (64, 64, 3)


@pytest.mark.parametrize("caption", ["", "1/5 go", "words " * 300, "é\n\x00\ud800"])
def test_a_caption_has_one_size_whatever_is_in_it(caption: str) -> None:
    assert above(np.zeros((64, 80, 3), np.uint8), caption).shape == (96, 80, 3)
