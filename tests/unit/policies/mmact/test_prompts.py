"""The sequences for one arm and for two, token by token. A word is a token here, with a number of its own."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mmact_eval.errors import UsageError
from mmact_eval.policies.mmact.prompts import ONE_ARM, TWO_ARMS, Embodiment, PromptBuilder
from mmact_eval.policies.mmact.vocabulary import PUBLISHED

MASK, PAD, BOS, EOS = 126336, 126093, 126080, 126081
SOI, EOI, SOA, EOA, SOSTATE, EOSTATE = 126084, 126085, 126098, 126099, 126102, 126103


class Words:
    """A tokenizer that knows whatever words it meets."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}

    def __call__(self, text: str) -> list[int]:
        return [self.known.setdefault(word, 1000 + len(self.known)) for word in text.split()]


@pytest.fixture
def words() -> Words:
    return Words()


@pytest.fixture
def builder(words: Words) -> PromptBuilder:
    return PromptBuilder(words, PUBLISHED)


def views(count: int) -> list[NDArray[np.int64]]:
    return [np.arange(256) + 100 * view for view in range(count)]


def image(view: int) -> list[int]:
    return [SOI, *range(126349 + 100 * view, 126349 + 100 * view + 256), EOI]


def one_arm_context(words: Words, state: bool = True) -> list[int]:
    states = [*words("The current states of robot is:"), SOSTATE, 134656, *[136703] * 7, EOSTATE] if state else []
    return [
        *words("close the drawer"),
        *states,
        *words("The third/head view of robot is:"),
        *image(0),
        *words("The wrist view of robot is:"),
        *image(1),
        *words("Robot's action dim is:"),
        126100,
    ]


def test_the_action_prompt_of_one_arm(builder: PromptBuilder, words: Words) -> None:
    prompt = builder.action(views(2), "close the drawer", [-1.0] + [1.0] * 7)
    context = [126097, BOS, *one_arm_context(words), EOS]
    assert len(prompt.ids) == 1024
    assert prompt.start == 910
    assert prompt.block == 56
    assert prompt.ids.tolist() == [*[PAD] * (910 - len(context)), *context, SOA, *[MASK] * 56, EOA, *[PAD] * 56]
    assert prompt.mask.tolist() == (prompt.ids != PAD).tolist()


def test_the_action_prompt_of_two_arms(builder: PromptBuilder, words: Words) -> None:
    prompt = builder.action(views(3), "close the drawer", np.ones(16))
    context = [
        126097,
        BOS,
        *words("close the drawer"),
        *words("The current states of robot is:"),
        SOSTATE,
        *[136703] * 16,
        EOSTATE,
        *words("The third/head view of robot is:"),
        *image(0),
        *words("The left wrist view of robot is:"),
        *image(1),
        *words("The right wrist view of robot is:"),
        *image(2),
        *words("Robot's action dim is:"),
        126101,
        EOS,
    ]
    assert len(prompt.ids) == 1120
    assert prompt.start == 990
    assert prompt.block == 128
    assert prompt.ids.tolist() == [*[PAD] * (990 - len(context)), *context, SOA, *[MASK] * 128, EOA]
    assert prompt.mask.tolist() == (prompt.ids != PAD).tolist()


@pytest.mark.parametrize("state", [True, False])
def test_the_image_prompt(builder: PromptBuilder, words: Words, state: bool) -> None:
    prompt = builder.image(views(2), "close the drawer", [-1.0] + [1.0] * 7 if state else None)
    context = [126088, BOS, *one_arm_context(words, state), EOS]
    pads = 1024 - len(context) - 258
    assert prompt.ids.tolist() == [*[PAD] * pads, *context, SOI, *[MASK] * 256, EOI]
    assert prompt.ids[prompt.start] == SOI
    assert prompt.mask.tolist() == (prompt.ids != PAD).tolist()


def test_the_empty_image_prompt_is_as_long_and_says_nothing(builder: PromptBuilder) -> None:
    prompt = builder.empty_image(views(3))
    assert len(prompt.ids) == 1120
    assert prompt.without_pads().ids.tolist() == [126088, BOS, EOS, SOI, *[MASK] * 256, EOI]


def test_the_text_prompt(builder: PromptBuilder, words: Words) -> None:
    prompt = builder.text(views(2), "close the drawer", block=10)
    assert prompt.ids.tolist() == [126089, BOS, *one_arm_context(words, state=False), *[MASK] * 10]
    assert prompt.start == len(prompt.ids) - 11
    unknown = prompt.without_context()
    assert unknown.ids.tolist() == [MASK] * len(prompt.ids)


def test_a_bos_of_the_tokenizers_own_is_not_doubled() -> None:
    plain = PromptBuilder(lambda text: [5], PUBLISHED).text(views(2), "x")
    own = PromptBuilder(lambda text: [BOS, 5] if text == "x" else [5], PUBLISHED).text(views(2), "x")
    assert plain.ids.tolist() == own.ids.tolist()


@pytest.mark.parametrize(("embodiment", "state"), [(ONE_ARM, 8), (TWO_ARMS, 16)])
def test_dropping_pads_leaves_the_block_in_its_place(
    builder: PromptBuilder, embodiment: Embodiment, state: int
) -> None:
    prompt = builder.action(views(len(embodiment.views)), "close the drawer", np.zeros(state)).without_pads()
    assert PAD not in prompt.ids
    assert prompt.mask.all()
    assert prompt.ids[prompt.start] == SOA
    assert (prompt.ids[prompt.start + 1 : prompt.start + 1 + prompt.block] == MASK).all()
    assert prompt.ids[prompt.start + 1 + prompt.block] == EOA


@pytest.mark.parametrize(
    ("count", "state", "message"),
    [
        (3, 8, "a state of 8 numbers means one arm and 2 views, got 3"),
        (2, 16, "a state of 16 numbers means two arms and 3 views, got 2"),
        (2, 7, r"8 numbers \(one arm\) or 16 \(two arms\), got shape \(7,\)"),
        (1, None, r"2 views \(one arm\) or 3 \(two arms\), got 1"),
    ],
)
def test_wrong_numbers_are_refused(builder: PromptBuilder, count: int, state: int | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        builder.image(views(count), "close the drawer", None if state is None else np.zeros(state))


def test_an_instruction_that_does_not_fit_is_refused(builder: PromptBuilder) -> None:
    builder.action(views(2), "word " * 340, np.zeros(8))
    with pytest.raises(UsageError, match="at most 910; shorten the instruction: 'word word"):
        builder.action(views(2), "word " * 400, np.zeros(8))


def test_an_image_prompt_may_be_longer(builder: PromptBuilder) -> None:
    prompt = builder.image(views(3), "word " * 400, np.zeros(16))
    assert len(prompt.ids) > 1120
    assert prompt.mask.all()


def test_codes_out_of_range_are_refused(builder: PromptBuilder) -> None:
    with pytest.raises(UsageError, match="256 image codes below 8192"):
        builder.action([np.full(256, 8192)] * 2, "x", np.zeros(8))
