"""The token sequences MMaDA-VLA was trained on.

Task token, picture of both views, instruction and state, a goal picture and a chunk of actions, the last two masked.
All have one length: text is padded, between the first picture and the text, and pads count as places.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmact_eval.errors import UsageError
from mmact_eval.policies.llada.vocabulary import BOS, EOS, IMAGE_END, IMAGE_START, MASK, PAD, Vocabulary
from mmact_eval.policies.mmada_vla.config import ModelConfig, State
from mmact_eval.policies.mmada_vla.states import WIDTHS, Ranges, levels
from mmact_eval.policies.mmada_vla.vocabulary import ACTION_END, ACTION_START, PUBLISHED, TASK

PAD_BLOCK, TASK_BLOCK, SEEN_BLOCK, TEXT_BLOCK, GOAL_BLOCK, ACTION_BLOCK = range(6)
"""Which part of the sequence a token belongs to."""

FRAME = 2
"""Tokens around a text: its begin and its end."""


@dataclass(frozen=True)
class Prompt:
    """A sequence with two blocks of masks.

    Attributes:
        ids: (L,) int64.
        blocks: (L,) int64, the block of each token.
        goal: (256,) int64, where the codes of the goal picture are; (0,) of a model that draws none.
        action: (7 · chunk,) int64, where the bins are, those of one action after the other.
    """

    ids: NDArray[np.int64]
    blocks: NDArray[np.int64]
    goal: NDArray[np.int64]
    action: NDArray[np.int64]


def said(instruction: str, state: ArrayLike, told: State, decimals: int | None, ranges: Ranges | None = None) -> str:
    """The text of a prompt, with the state or without; see `ModelConfig`.

    Raises:
        UsageError: the state is not 8 or 15 finite numbers, or there are ranges for another count of them.
    """
    if told == "none":
        return instruction
    return spoken(instruction, state, decimals) if ranges is None else counted(instruction, state, ranges)


def spoken(instruction: str, state: ArrayLike, decimals: int | None = None) -> str:
    """The instruction, a new line and the state as Python writes NumPy's numbers, separated by spaces.

    Nothing is rounded as published, so float64 and float32 give other texts.

    Args:
        instruction: the task in words.
        state: 8 or 15 numbers.
        decimals: that each number is written with; None for as many as there are.

    Raises:
        UsageError: the state is not 8 or 15 finite numbers.
    """
    numbers = _checked(state)
    written = [str(number) if decimals is None else _rounded(number, decimals) for number in numbers]
    return f"{instruction}\n{' '.join(written)}"


def counted(instruction: str, state: ArrayLike, ranges: Ranges) -> str:
    """The instruction, a new line and the state as whole numbers, separated by spaces; see `levels`.

    Raises:
        UsageError: the state is not as many finite numbers as there are ranges.
    """
    return f"{instruction}\n{' '.join(map(str, levels(_checked(state), ranges)))}"


def _checked(state: ArrayLike) -> NDArray[np.floating[Any]]:
    numbers = np.asarray(state)
    if numbers.shape not in [(width,) for width in WIDTHS] or numbers.dtype.kind != "f":
        raise UsageError(
            f"MMaDA-VLA takes a state of {WIDTHS[0]} (LIBERO) or {WIDTHS[1]} (CALVIN) floating-point numbers, got "
            f"shape {numbers.shape}, {numbers.dtype}"
        )
    if not np.isfinite(numbers).all():
        raise UsageError("a state holds NaN or infinity, which MMaDA-VLA would read as words")
    return numbers


def _rounded(number: float, decimals: int) -> str:
    return f"{round(float(number), decimals) + 0.0:.{decimals}f}"  # + 0.0: there is no -0.00


def text_ids(text: list[int], slot: int, words: Vocabulary = PUBLISHED) -> list[int]:
    """The tokens of a text in its slot: begin and end around it, pads on the left; what does not fit is cut off.

    The end stays: of a longer text, that is the first ``slot`` - 1 tokens and the end. So it was trained.
    """
    end = words.special(EOS)
    tokens = [words.special(BOS), *text, end]
    if len(tokens) > slot:
        return [*tokens[: slot - 1], end]
    return [*[words.special(PAD)] * (slot - len(tokens)), *tokens]


class PromptBuilder:
    """Builds prompts from image codes, instruction and state.

    Args:
        encode: text → ids.
        config: lengths, and where image codes and bins lie.
    """

    def __init__(self, encode: Callable[[str], list[int]], config: ModelConfig) -> None:
        self._encode = encode
        self._config = config

    def prompt(self, codes: ArrayLike, instruction: str, state: ArrayLike) -> Prompt:
        """The sequence, 519 + text slot + 7 · chunk long: 682 for LIBERO's chunk of 5, 717 for CALVIN's of 10.

        Args:
            codes: (256,) of both views in one picture.
            instruction: the task in words.
            state: 8 or 15 numbers.

        Raises:
            UsageError: codes or state are something else.
        """
        config, words = self._config, self._config.vocabulary
        seen = np.asarray(codes)
        if seen.shape != (words.image_tokens,) or seen.min() < 0 or seen.max() >= words.codebook:
            raise UsageError(f"a picture is {words.image_tokens} image codes in [0, {words.codebook})")
        picture = (seen.astype(np.int64) + words.image_offset).tolist()
        spoken_text = said(instruction, state, config.state, config.state_decimals, config.state_ranges)
        text = text_ids(self._encode(spoken_text), config.text_slot, words)
        pad, mask, image_start, image_end = (words.special(token) for token in (PAD, MASK, IMAGE_START, IMAGE_END))
        pads = next(place for place, token in enumerate(text) if token != pad)
        goal, action = [mask] * config.goal_tokens, [mask] * config.action_tokens
        parts = [
            (TASK_BLOCK, [words.special(TASK)]),
            (SEEN_BLOCK, [image_start, *picture, image_end]),
            (PAD_BLOCK, text[:pads]),
            (TEXT_BLOCK, text[pads:]),
            (GOAL_BLOCK, [image_start, *goal, image_end] if config.goal else []),
            (ACTION_BLOCK, [words.special(ACTION_START), *action, words.special(ACTION_END)]),
        ]
        ids = np.array([token for _, tokens in parts for token in tokens])
        blocks = np.repeat([block for block, _ in parts], [len(tokens) for _, tokens in parts])
        after_goal = len(ids) - len(action) - 2
        return Prompt(
            ids,
            blocks,
            np.arange(after_goal - 1 - len(goal), after_goal - 1),
            np.arange(len(ids) - 1 - len(action), len(ids) - 1),
        )
