"""Recorded demonstrations become arrays, texts become tokens, and both are made once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_demonstrations import TASKS

from mmact_eval.errors import UsageError
from mmact_eval.policies.llada.tokenizer import TextTokenizer, read_tokenizer
from mmact_eval.policies.llada.training.data.frames import load_moments
from mmact_eval.policies.llada.training.data.moments import Moments
from mmact_eval.policies.llada.training.data.words import train_tokenizer
from mmact_eval.policies.llada.vocabulary import BOS, EOS, MASK, Vocabulary
from mmact_eval.policies.mmact.prompts import HEAD_VIEW, ONE_ARM
from mmact_eval.policies.mmact.training.family import PHRASES
from mmact_eval.policies.mmact.training.source import source
from mmact_eval.policies.mmact.vocabulary import PUBLISHED
from mmact_eval.recording.images import write_video


def moments_of(cache: Path, *folders: Path, side: int = 32, state: str = "eef_axisangle_gripper2") -> Moments:
    return load_moments(folders, source(folders, state), side, cache, lambda line: None)


def test_moments_are_the_frames_with_pictures_and_what_was_meant_from_there_on(data: Path, tmp_path: Path) -> None:
    found = moments_of(tmp_path, data)
    assert len(found) == 2 * 3 * 3  # tasks, starts, frames 0, 4 and 8
    assert found.pixels.shape == (18, 2, 32, 32, 3)
    assert list(found.instructions) == list(TASKS)
    assert found.instruction.tolist() == [0] * 9 + [1] * 9
    first = found.actions[0]
    np.testing.assert_allclose(first[:, 1], np.arange(8) / 16)
    assert first[:, 0] == pytest.approx(0.25)
    assert found.there[0].all()
    assert found.there[2].tolist() == [True] * 4 + [False] * 4
    assert found.later[:3].tolist() == [2, -1, -1]
    assert [str(found.subtasks[k]) for k in found.subtask[:3]] == ["go", "go", "hold it"]
    # Position and fingers as they are, angles divided by 5.
    np.testing.assert_allclose(found.states[1], [0.2, 0.2, 0.2, 0.04, 0.04, 0.04, 0.2, 0.2], rtol=1e-6)
    assert (found.pixels[0, 0, 12:18, 4:12] == (250, 200, 0)).all()
    assert (found.pixels[0, 1, 12:18, 4:12] == (5, 55, 255)).all()


def test_calvins_robot_is_known_by_its_cameras(make_data: Callable[..., Path], data: Path, tmp_path: Path) -> None:
    folder = make_data(suite="calvin-smoke")
    found = moments_of(tmp_path, folder, state="as_released")
    assert (found.pixels[0, 0, 12:18, 4:12] == (250, 200, 0)).all(), "the scene's camera is the first"
    # Position, angles divided by 5, opening and last command of the gripper.
    np.testing.assert_allclose(found.states[1], [0.2, 0.2, 0.2, 0.04, 0.04, 0.04, 0.2, 0.2], rtol=1e-6)
    with pytest.raises(UsageError, match="CALVIN's observations have one state only, state_mode=as_released"):
        moments_of(tmp_path, folder)
    with pytest.raises(UsageError, match=r"of different robots: \S+ \(libero\), \S+ \(calvin\)"):
        moments_of(tmp_path, data, folder)


def test_pictures_are_made_smaller_and_videos_read(make_data: Callable[..., Path], tmp_path: Path) -> None:
    found = moments_of(tmp_path, make_data(starts=1, images="video", every=1), side=16)
    assert found.pixels.shape == (24, 2, 16, 16, 3)
    assert abs(int(found.pixels[0, 0, 7, 4, 0]) - 250) < 15
    assert found.later[:6].tolist() == [8, 9, 10, 11, -1, -1]


def test_data_sets_are_read_once(make_data: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_data(starts=2)
    before = moments_of(tmp_path, folder)
    shutil.rmtree(folder / "staged")
    for file in (folder / "data").rglob("*.parquet"):
        file.touch()
    assert len(list(tmp_path.iterdir())) == 1
    np.testing.assert_array_equal(moments_of(tmp_path, folder).pixels, before.pixels)
    assert len(list(tmp_path.iterdir())) == 1
    both = moments_of(tmp_path, folder, make_data(starts=1, first=7))
    assert len(both) == len(before) + 6
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("images", ["png", "video"])
def test_pictures_are_those_of_their_frames_however_the_rows_are_stored(
    make_data: Callable[..., Path], tmp_path: Path, images: str
) -> None:
    folder = make_data(images=images)
    before = moments_of(tmp_path / "before", folder)
    (file,) = (folder / "data").rglob("*.parquet")
    table = pq.read_table(file)
    pq.write_table(table.take(np.random.default_rng(0).permutation(len(table))), file, row_group_size=7)
    after = moments_of(tmp_path / "after", folder)
    np.testing.assert_array_equal(after.pixels, before.pixels)
    np.testing.assert_array_equal(after.actions, before.actions)


def test_a_data_set_that_is_not_whole_is_refused(make_data: Callable[..., Path], tmp_path: Path) -> None:
    for images in ("png", "video"):
        folder = make_data(images=images)
        (file,) = (folder / "data").rglob("*.parquet")
        table = pq.read_table(file)
        lost = [frame not in (5, 6) for frame in table["frame_index"].to_pylist()]
        pq.write_table(table.filter(lost), file)
        with pytest.raises(UsageError, match="is damaged: episode 0 has 10 of 12 frames"):
            moments_of(tmp_path, folder)
        pq.write_table(table, file)
        moments_of(tmp_path, folder)
    for file in (folder / "videos").rglob("*.mp4"):
        shutil.copy(make_video(tmp_path / "short.mp4", frames=11), file)
    shutil.rmtree(tmp_path)
    with pytest.raises(UsageError, match=r"file-000\.mp4 has 11 of 12 frames"):
        moments_of(tmp_path, folder)


def make_video(file: Path, frames: int) -> Path:
    write_video(file, [np.zeros((32, 32, 3), np.uint8)] * frames, 20)
    return file


def test_what_is_held_out_begins_where_nothing_else_does(data: Path, tmp_path: Path) -> None:
    found = moments_of(tmp_path, data)
    train, held_out = found.split(0.34, seed=0)
    assert len(train) + len(held_out) == len(found)
    assert not set(found.start[train]) & set(found.start[held_out])
    assert set(found.instruction[held_out]) == {0, 1}
    assert len(found.split(0.0, seed=0)[1]) == 0


def test_a_folder_that_is_no_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        moments_of(tmp_path, tmp_path / "nothing")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> tuple[TextTokenizer, Vocabulary]:
    folder = tmp_path_factory.mktemp("tokenizer")
    length = train_tokenizer(TASKS, 300, folder, PHRASES)
    vocabulary = Vocabulary(length + 64 + 32, 64, 32, length, 64)
    return read_tokenizer(folder, vocabulary, "MM-ACT"), vocabulary


@given(st.text(max_size=40))
def test_any_text_survives(tokenizer: tuple[TextTokenizer, Vocabulary], text: str) -> None:
    words, vocabulary = tokenizer
    ids = words.encode(text)
    if not any(0xD800 <= ord(letter) < 0xE000 for letter in text) and "<|" not in text:
        assert words.decode(ids) == text
        assert max(ids, default=0) < vocabulary.special(BOS)


def test_phrases_are_short_and_special_tokens_in_their_places(tokenizer: tuple[TextTokenizer, Vocabulary]) -> None:
    words, vocabulary = tokenizer
    assert len(words.encode(HEAD_VIEW)) < 12
    assert vocabulary.special(EOS) == vocabulary.special(BOS) + 1
    assert vocabulary.special(ONE_ARM.dim_token) < vocabulary.special(MASK) < vocabulary.text
    assert words.decode([*words.encode("push"), vocabulary.special(EOS), 5]) == "push"


def test_a_tokenizer_of_another_length_is_refused(tmp_path: Path) -> None:
    length = train_tokenizer(TASKS, 300, tmp_path, PHRASES)
    with pytest.raises(UsageError, match=f"has {length} tokens, and MM-ACT's has 126349"):
        read_tokenizer(tmp_path, PUBLISHED, "MM-ACT")
