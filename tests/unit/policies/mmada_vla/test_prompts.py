"""What the model reads: the picture, the words, the sequence and its blocks."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mmact_eval.errors import UsageError
from mmact_eval.policies.mmada_vla.attention import hybrid
from mmact_eval.policies.mmada_vla.config import ModelConfig
from mmact_eval.policies.mmada_vla.images import stack, to_pixels
from mmact_eval.policies.mmada_vla.prompts import PromptBuilder, said, spoken, text_ids
from mmact_eval.policies.mmada_vla.vocabulary import PUBLISHED

STATE = np.linspace(-1.0, 1.0, 8)


def test_the_bins_lie_right_behind_the_image_codes() -> None:
    assert (PUBLISHED.image_offset, PUBLISHED.action_offset, PUBLISHED.size) == (126349, 134541, 134912)


@pytest.mark.parametrize(("chunk", "length"), [(5, 682), (10, 717)])
def test_the_sequence_has_its_published_length_and_parts(chunk: int, length: int, codes: NDArray[np.int64]) -> None:
    prompt = PromptBuilder(lambda text: [7, 8, 9], ModelConfig(chunk=chunk)).prompt(codes, "go", STATE)
    ids, blocks = prompt.ids, prompt.blocks
    assert ids.shape == blocks.shape == (length,)
    assert (ids[0], blocks[0]) == (126097, 1)
    assert (ids[1], ids[258]) == (126084, 126085)
    assert np.array_equal(ids[2:258], codes + 126349)
    assert (blocks[1:259] == 2).all()
    assert (ids[259:382] == 126093).all()
    assert (blocks[259:382] == 0).all()
    assert ids[382:387].tolist() == [126080, 7, 8, 9, 126081]
    assert (blocks[382:387] == 3).all()
    assert (ids[387], ids[644]) == (126084, 126085)
    assert np.array_equal(prompt.goal, np.arange(388, 644))
    assert (blocks[387:645] == 4).all()
    assert (ids[645], ids[-1]) == (126095, 126096)
    assert np.array_equal(prompt.action, np.arange(646, length - 1))
    assert (blocks[645:] == 5).all()
    assert (ids[np.concatenate([prompt.goal, prompt.action])] == 126336).all()


def test_a_text_that_is_too_long_loses_its_end_but_not_the_end_of_text() -> None:
    assert text_ids(list(range(126)), 128) == [126080, *range(126), 126081]
    assert text_ids(list(range(127)), 128) == [126080, *range(126), 126081]
    assert text_ids(list(range(300)), 128) == [126080, *range(126), 126081]
    assert text_ids([126080, 5], 5) == [126093, 126080, 126080, 5, 126081]


def test_the_state_is_written_in_full_and_as_its_type_has_it() -> None:
    state = np.array([0.1, -0.25, 6.1e-05, 1 / 3, 0, 1, 2, 3])
    assert spoken("push", state) == "push\n0.1 -0.25 6.1e-05 0.3333333333333333 0.0 1.0 2.0 3.0"
    assert spoken("push", state.astype(np.float32)) == "push\n0.1 -0.25 6.1e-05 0.33333334 0.0 1.0 2.0 3.0"


@pytest.mark.parametrize("state", [np.zeros(7), np.zeros((1, 8)), np.zeros(8, int), np.full(15, np.nan)])
def test_what_is_no_state_is_refused(state: NDArray[np.float64]) -> None:
    with pytest.raises(UsageError, match="state"):
        spoken("push", state)


def test_a_state_in_bins_is_scaled_by_its_ranges_and_clipped(codes: NDArray[np.int64]) -> None:
    ranges = ((-1.0, 1.0),) * 5 + ((0.0, 0.5), (0.25, 0.25), (-2.0, -1.0))
    state = np.array([-1, 1, -9, 9, 0.5, 0.25, 7, -1.5])
    text = "push\n0 255 0 255 191 128 0 128"  # a range that is a point tells nothing; ties go to the even number
    assert said("push", state, "bins", None, ranges) == text
    assert said("push", state.astype(np.float32), "bins", 2, ranges) == text
    heard: list[str] = []
    config = ModelConfig(state="bins", state_ranges=ranges)
    PromptBuilder(lambda words: [heard.append(words) or 7], config).prompt(codes, "push", state)  # type: ignore[func-returns-value]
    assert heard == [text]
    with pytest.raises(UsageError, match="a state of 15 numbers, and state_ranges has 8"):
        said("push", np.zeros(15), "bins", None, ranges)
    with pytest.raises(UsageError, match="NaN"):
        said("push", np.full(8, np.nan), "bins", None, ranges)


def test_the_third_person_view_is_squeezed_above_the_wrist_view(views: list[NDArray[np.uint8]]) -> None:
    picture = stack(views)
    assert picture.shape == (256, 256, 3)
    assert picture.dtype == np.uint8
    for half, view in zip((picture[:128], picture[128:]), views, strict=True):
        assert np.array_equal(half, np.asarray(Image.fromarray(view).resize((256, 128), Image.Resampling.LANCZOS)))
    alone = stack(views[:1])
    assert np.array_equal(alone[:128], picture[:128])
    assert not alone[128:].any()
    pixels = to_pixels(picture)
    assert pixels.shape == (3, 256, 256)
    assert pixels[1, 3, 5] == pytest.approx(picture[3, 5, 1] / 127.5 - 1.0)


def test_what_are_no_views_is_refused(views: list[NDArray[np.uint8]]) -> None:
    with pytest.raises(UsageError, match="got 3 images"):
        stack([*views, views[0]])
    with pytest.raises(UsageError, match=r"\(height, width, 3\) uint8, got"):
        stack([views[0] / 255.0])  # type: ignore[list-item]


def test_the_papers_mask_looks_back_and_around_but_not_ahead_nor_at_pads() -> None:
    blocks = np.array([1, 2, 2, 0, 3, 4, 5, 5])
    assert hybrid(blocks).astype(int).tolist() == [
        [1, 0, 0, 0, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0, 0, 0],
        [0, 0, 0, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 1, 0, 0, 0],
        [1, 1, 1, 0, 1, 1, 0, 0],
        [1, 1, 1, 0, 1, 1, 1, 1],
        [1, 1, 1, 0, 1, 1, 1, 1],
    ]
