"""Scores of generated pictures, where they end up, and what the video shows."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
from numpy.typing import NDArray

from mmact_eval.observers.artifacts import FolderArtifacts
from mmact_eval.observers.picture_scores import fitted, psnr, ssim
from mmact_eval.observers.transcript import TranscriptRecorder
from mmact_eval.observers.video import VideoRecorder
from mmact_eval.observers.video_panel import beside
from mmact_eval.types import Episode, EpisodeResult, Observation, PolicyOutput, Query

EPISODE = Episode("toy", "easy", 0, 0)
ROWS, COLUMNS = np.mgrid[0:64, 0:48]
IMAGE = np.stack([ROWS * 3, COLUMNS * 4, (ROWS + COLUMNS) * 2], axis=-1).astype(np.uint8)
Image = NDArray[np.uint8]


def test_psnr_of_a_known_error() -> None:
    assert psnr(np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 51, np.uint8)) == pytest.approx(20 * math.log10(5))
    assert psnr(IMAGE, IMAGE) == math.inf


def test_ssim_of_constant_images_is_known_and_falls_with_noise() -> None:
    assert ssim(IMAGE, IMAGE) == pytest.approx(1.0)
    dark, bright = np.full((32, 32, 3), 50, np.uint8), np.full((32, 32, 3), 100, np.uint8)
    c1 = (0.01 * 255) ** 2
    assert ssim(dark, bright) == pytest.approx((2 * 50 * 100 + c1) / (50**2 + 100**2 + c1))
    noise = np.random.default_rng(0).normal(0, 1, IMAGE.shape)
    noisy = [np.clip(IMAGE + scale * noise, 0, 255).astype(np.uint8) for scale in (5, 40)]
    assert 1 > ssim(noisy[0], IMAGE) > ssim(noisy[1], IMAGE) > 0


def test_images_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(ValueError, match="shapes"):
        psnr(IMAGE, IMAGE[:-1])
    with pytest.raises(ValueError, match="too small"):
        ssim(IMAGE[:8], IMAGE[:8])


def test_a_wide_frame_gets_black_bars() -> None:
    square = fitted(np.full((18, 32, 3), 200, np.uint8), 64, 64)
    assert square.shape == (64, 64, 3)
    assert square[:12].max() < 10
    assert square[-12:].max() < 10
    assert square[20:44].min() > 190


def play(recorder: Any, extras: dict[str, Any], frames: list[Image], env: Any = None) -> dict[str, str]:
    """A picture and a text at the first query, four steps after each of as many queries as there are frames."""
    first = Observation({"top": IMAGE}, {}, "go")
    recorder.on_begin(EPISODE, env, first)
    for index, frame in enumerate(frames):
        actions = np.zeros((4, 2), np.float32)
        output = PolicyOutput(actions, "reach for it", IMAGE, extras) if index == 0 else PolicyOutput(actions)
        recorder.on_query(Query(first, EPISODE, index), output)
        recorder.on_steps(env, actions, Observation({"top": frame}, {}, "go"))
    return dict(recorder.on_end(EpisodeResult(EPISODE, "failure", steps=4 * len(frames))))


def said(folder: Path, made: dict[str, str]) -> dict[str, Any]:
    entry: dict[str, Any] = json.loads((folder / made["plan"]).read_text().splitlines()[0])
    return entry


def test_a_picture_is_scored_against_the_frame_it_predicts(tmp_path: Path) -> None:
    reached = np.clip(IMAGE.astype(int) + 10, 0, 255).astype(np.uint8)
    extras = {"image_of": {"camera": "top", "steps": 8}}
    entry = said(tmp_path, play(TranscriptRecorder(FolderArtifacts(tmp_path)), extras, [IMAGE, reached, IMAGE]))
    assert entry["psnr"] == pytest.approx(psnr(IMAGE, reached), abs=1e-3)
    assert entry["ssim"] == pytest.approx(ssim(IMAGE, reached), abs=1e-4)
    np.testing.assert_array_equal(iio.imread(tmp_path / entry["reached"]), reached)


@pytest.mark.parametrize("predicts", [{"camera": "top", "steps": 6}, {"camera": "side", "steps": 4}, "top", None])
def test_a_frame_that_nobody_saw_gives_no_score(tmp_path: Path, predicts: Any) -> None:
    entry = said(tmp_path, play(TranscriptRecorder(FolderArtifacts(tmp_path)), {"image_of": predicts}, [IMAGE, IMAGE]))
    assert "image" in entry
    assert not {"psnr", "ssim", "reached"} & set(entry)


class Camera:
    """An environment that shows black."""

    class interface:  # noqa: N801
        class action:  # noqa: N801
            hz = 20.0

    def render(self) -> Image:
        return np.zeros((64, 64, 3), np.uint8)


def test_the_video_shows_what_was_said_beside_what_happened(tmp_path: Path) -> None:
    made = play(VideoRecorder(FolderArtifacts(tmp_path), "all"), {"panel": True}, [IMAGE, IMAGE], Camera())
    frames = iio.imread(tmp_path / made["video"])
    assert frames.shape[1:] == (64, 128, 3)
    assert frames[0, :, :64].max() < 30
    assert frames[0, :, 64:].max() > 150


def test_a_policy_that_does_not_ask_for_it_gets_no_panel(tmp_path: Path) -> None:
    made = play(VideoRecorder(FolderArtifacts(tmp_path), "all"), {}, [IMAGE], Camera())
    assert iio.imread(tmp_path / made["video"]).shape[1:] == (64, 64, 3)


@pytest.mark.parametrize(
    ("text", "picture"), [("words " * 300, None), ("é\n\x00\ud800", IMAGE), (None, IMAGE), (None, None)]
)
def test_a_panel_has_one_size_whatever_is_in_it(text: str | None, picture: Image | None) -> None:
    assert beside(np.zeros((64, 64, 3), np.uint8), text, picture).shape == (64, 128, 3)
