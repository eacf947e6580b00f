"""What is masked, what counts, and what the loss is: against the description, written out plainly."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmact_eval.errors import UsageError
from mmact_eval.policies.llada.quantizer import QuantizerConfig
from mmact_eval.policies.llada.tokenizer import read_tokenizer
from mmact_eval.policies.llada.training.data.moments import Moments
from mmact_eval.policies.llada.training.images.codes import quantizer_config
from mmact_eval.policies.llada.training.learning.loop import new_predictor
from mmact_eval.policies.llada.training.learning.losses import Question, answer
from mmact_eval.policies.llada.vocabulary import IMAGE_END, IMAGE_START, MASK
from mmact_eval.policies.mmada_vla.bins import to_bins
from mmact_eval.policies.mmada_vla.training.family import FAMILY, MMaDATask
from mmact_eval.policies.mmada_vla.training.settings import Training
from mmact_eval.policies.mmada_vla.training.source import pictures
from mmact_eval.policies.mmada_vla.training.statistics import as_learned, statistics_of
from mmact_eval.policies.mmada_vla.training.targets import masks
from mmact_eval.policies.mmada_vla.vocabulary import ACTION_END, ACTION_START

CPU = torch.device("cpu")
Settings = Callable[..., Training]


def images_as(settings: Training) -> QuantizerConfig:
    return quantizer_config(settings.quantizer)


def task_of(settings: Training, moments: Moments, folder: Path) -> MMaDATask:
    images = images_as(settings)
    codes = np.random.default_rng(0).integers(0, 2**images.bits, (len(moments), 1, images.grid**2))
    FAMILY.train_tokenizer(settings, moments, folder)
    return FAMILY.task(settings, moments, codes, images, folder, CPU)


def asked(task: MMaDATask, places: list[int], seed: int = 0) -> Question:
    return task.examples.question("act", np.array(places), np.random.default_rng(seed))


def test_moments_have_both_views_in_one_picture_and_a_goal_that_stops_at_the_last_frame(moments: Moments) -> None:
    assert moments.pixels.shape == (18, 1, 32, 32, 3)
    assert moments.actions.shape == (18, 4, 7)
    # Frames 0, 4 and 8 of 12: the last one's goal is frame 11, of which there is no picture.
    assert moments.later[:3].tolist() == [1, 2, -1]
    assert moments.there[:3].all()
    # As they are: angles, too.
    np.testing.assert_allclose(moments.states[1], 0.2, rtol=1e-6)
    views = [np.full((8, 8, 3), value, np.uint8) for value in (10, 200)]
    picture = pictures(views, 32)
    assert picture.shape == (1, 32, 32, 3)
    assert (picture[0, :16] == 10).all()
    assert (picture[0, 16:] == 200).all()


def test_the_goal_is_the_last_frame_where_the_chunk_ends_there(make_data: Callable[..., Path], tmp_path: Path) -> None:
    from mmact_eval.policies.llada.training.data.frames import load_moments
    from mmact_eval.policies.mmada_vla.training.source import source

    dense = load_moments([make_data(starts=1, every=1)], source("libero", 4), 32, tmp_path, lambda line: None)
    assert dense.later[:12].tolist() == [*range(4, 12), 11, -1, -1, -1]


@given(st.integers(0, 2**31), st.integers(1, 60), st.integers(0, 60))
def test_one_part_is_masked_of_both_blocks_and_one_token_at_least(seed: int, actions: int, goal: int) -> None:
    masked = masks(np.random.default_rng(seed), 8, (actions, goal), 0.0)
    assert masked.shape == (8, actions + goal)
    parts = np.cos(np.random.default_rng(seed).random(8) * math.pi / 2)
    assert masked[:, :actions].sum(1).tolist() == [max(1, round(part * actions)) for part in parts]
    if goal:
        assert masked[:, actions:].sum(1).tolist() == [max(1, round(part * goal)) for part in parts]
    assert masks(np.random.default_rng(seed), 8, (actions, goal), 1.0).all()


def test_places_are_chosen_apart_in_each_block() -> None:
    masked = masks(np.random.default_rng(0), 400, (20, 20), 0.0)
    part = masked.mean(1)
    some = masked[(part > 0.3) & (part < 0.7)]
    assert abs(np.corrcoef(some[:, 0], some[:, 20])[0, 1]) < 0.5
    assert not (some[:, :20] == some[:, 20:]).all(1).any()


def test_the_released_loss_is_one_mean_over_masked_tokens_and_four_brackets(
    moments: Moments, settings: Settings, tmp_path: Path
) -> None:
    task = task_of(settings(), moments, tmp_path)
    places = [0, 1, 3, 4]
    question = asked(task, places)
    words = task.config.vocabulary
    predictor = new_predictor(task.config, 0).eval()
    with torch.no_grad():
        found = answer(predictor, question, torch.no_grad())
        shown = question.shown()
        logits = predictor.logits(predictor(shown)).double().log_softmax(-1)
    # The sequence: task, picture, text, goal, actions.
    goal, actions = task.config.goal_tokens, task.config.action_tokens
    length = 1 + goal + 2 + 128 + goal + 2 + actions + 2
    assert shown.shape == (4, length)
    statistics = statistics_of(as_learned(moments.actions[moments.there.all(1)], "libero"))
    losses, brackets = [], []
    for row, place in enumerate(places):
        bins = to_bins(statistics.normalize(as_learned(moments.actions[place], "libero")), words.bins).ravel()
        codes = task.examples._codes[moments.later[place], 0]
        truth = [
            words.special(IMAGE_START), *(codes + words.image_offset), words.special(IMAGE_END),
            words.special(ACTION_START), *(bins + words.action_offset), words.special(ACTION_END),
        ]  # fmt: skip
        first = length - len(truth)
        for offset, token in enumerate(truth):
            here = int(shown[row, first + offset])
            bracket = offset in (0, goal + 1, goal + 2, len(truth) - 1)
            assert here in (token, words.special(MASK))
            assert not bracket or here == token
            if bracket or here == words.special(MASK):
                losses.append(-float(logits[row, first + offset, token]))
                brackets.append(bracket)
    assert sum(brackets) == 4 * len(places)
    assert float(found.loss) == pytest.approx(np.mean(losses), rel=1e-5)
    assert set(found.parts) == {"action", "goal"}
    assert found.parts["action"].off is not None


def test_parts_are_looked_for_among_their_own_ids_and_weighed(
    moments: Moments, settings: Settings, tmp_path: Path
) -> None:
    stages = {"act": {"steps": 1, "batch": 2, "weights": {"action": 2.0, "goal": 0.5}}}
    task = task_of(settings(loss="parts", stages=stages), moments, tmp_path)
    question = asked(task, [0, 3])
    words, actions = task.config.vocabulary, task.config.action_tokens
    predictor = new_predictor(task.config, 0).eval()
    with torch.no_grad():
        found = answer(predictor, question, torch.no_grad())
        logits = predictor.logits(predictor(question.shown(), None, question.batch.block)).double()
    means = []
    for first, count, places in (
        (words.action_offset, words.bins, range(actions)),
        (words.image_offset, words.codebook, range(actions, actions + task.config.goal_tokens)),
    ):
        own = logits[..., first : first + count].log_softmax(-1)
        of = [
            -float(own[row, place, int(question.tokens[row, place]) - first])
            for row in range(2) for place in places if question.masked[row, place]
        ]  # fmt: skip
        means.append(np.mean(of))
    assert question.tokens.shape[1] == actions + task.config.goal_tokens  # no brackets
    assert float(found.loss) == pytest.approx(2.0 * means[0] + 0.5 * means[1], rel=1e-5)
    assert found.parts["goal"].loss == pytest.approx(means[1], rel=1e-5)


def test_what_is_not_there_is_masked_and_does_not_count(moments: Moments, settings: Settings, tmp_path: Path) -> None:
    task = task_of(settings(whole_chunks=False), moments, tmp_path)
    everything = np.arange(len(moments))
    assert task.examples.usable("act", everything).tolist() == everything.tolist()
    question = asked(task, [2])  # a whole chunk, and no picture of the goal
    goal = slice(task.config.action_tokens, task.config.action_tokens + task.config.goal_tokens)
    assert question.masked[:, goal].all()
    assert not question.counted[:, goal].any()
    whole = task_of(settings(), moments, tmp_path).examples.usable("act", everything)
    assert whole.tolist() == [place for place in everything if moments.later[place] >= 0]


def test_no_goal_no_block(moments: Moments, settings: Settings, tmp_path: Path) -> None:
    with_goal, without = (task_of(settings(goal=goal), moments, tmp_path) for goal in (True, False))
    longer, shorter = (asked(task, [0]).batch.ids.shape[1] for task in (with_goal, without))
    assert longer - shorter == with_goal.config.goal_tokens + 2
    question = asked(without, [2])  # a moment without a goal
    assert question.counted.sum() == question.masked.sum() + 2
    found = answer(new_predictor(without.config, 0), question, torch.enable_grad())
    assert set(found.parts) == {"action"}


def test_quantiles_are_left_edges_of_the_histogram() -> None:
    rng = np.random.default_rng(0)
    actions = rng.normal(size=(300, 5, 7)).astype(np.float32)
    actions[..., 6] = rng.choice([-1, 1], (300, 5))
    found = statistics_of(as_learned(actions, "libero"))
    np.testing.assert_allclose(found.q01[:6], np.quantile(actions.reshape(-1, 7)[:, :6], 0.01, axis=0), atol=0.05)
    assert found.q01[6] == pytest.approx(-1.0, abs=1e-9)
    assert found.q99[6] == pytest.approx(0.9996, abs=1e-9)
    for column, low in zip(actions.reshape(-1, 7).T[:6], found.q01[:6], strict=True):
        wide = column.astype(np.float64)
        edges = np.linspace(wide.min() - 1e-10, wide.max() + 1e-10, 5001)
        k = int(np.argmin(abs(edges - low)))
        assert (wide < edges[k]).mean() < 0.01 <= (wide < edges[k + 1]).mean()


def test_the_gripper_opens_as_the_model_has_it() -> None:
    opened = np.array([0, 0, 0, 0, 0, 0, -1], np.float32)
    assert as_learned(opened, "libero")[-1] == 1.0
    assert as_learned(opened, "calvin")[-1] == -1.0


def test_each_number_of_a_state_in_bins_is_one_token_with_its_number(
    moments: Moments, settings: Settings, tmp_path: Path
) -> None:
    task = task_of(settings(state="bins", text_tokens=600, max_text_len=None), moments, tmp_path)
    encode = read_tokenizer(tmp_path, task.config.vocabulary, "MMaDA-VLA").encode
    tokens = [encode(str(level)) for level in range(256)]
    assert [len(token) for token in tokens] == [1] * 256
    assert [task.numbers[token] for (token,) in tokens] == pytest.approx(np.linspace(-1, 1, 256))
    for text in ("push the square up\n0 255 17 3 100 99 10 9", "push block 200 to 7x\n255 255 255 255 255 255 255 255"):
        said = [task.numbers[token] for token in encode(text)[-15::2]]
        assert said == pytest.approx([int(word) / 127.5 - 1.0 for word in text.split("\n")[1].split()])
    # The states are 0, 0.05, … 1: what their quantiles are is scaled to.
    ranges = task.config.state_ranges
    assert ranges is not None
    np.testing.assert_allclose(np.transpose(ranges), np.quantile(moments.states, (0.01, 0.99), axis=0))
    assert not task_of(settings(), moments, tmp_path / "text").numbers


def test_demonstrations_without_the_pictures_of_the_goals_are_refused(
    make_data: Callable[..., Path], settings: Settings, tmp_path: Path
) -> None:
    from mmact_eval.policies.llada.training.data.frames import load_moments
    from mmact_eval.policies.mmada_vla.training.source import source

    sparse = load_moments([make_data(starts=1)], source("libero", 3), 32, tmp_path / "cache", lambda line: None)
    for whole in (True, False):
        with pytest.raises(UsageError, match="record with --every 1"):
            task_of(settings(chunk=3, whole_chunks=whole), sparse, tmp_path)
    task_of(settings(chunk=3, goal=False), sparse, tmp_path)
