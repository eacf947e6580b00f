"""The vocabulary: which ids are text, special tokens, image codes and bins of numbers.

Ids 126084 and up are places that LLaDA's tokenizer keeps in reserve. Its own names for them say nothing about their use
here, so they are known by number only. Here are those that all models of the family use alike; some ids mean one thing
in one model and another in the next, and each model has its own list of these.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from mmact_eval.errors import UsageError

# Frame of a sequence.
BOS = 126080
EOS = 126081
MASK = 126336
PAD = 126093  # prompts are padded with iPAD, not with the tokenizer's pad token (which is EOS)

IMAGE_START, IMAGE_END = 126084, 126085
"""Brackets around a picture."""

TEXT_SIZE = 126349  # len(tokenizer)
LLM_VOCAB_SIZE = 126464  # rows of LLaDA, the language model all grew out of; more than its tokenizer uses
CODEBOOK_SIZE = 8192
IMAGE_TOKENS = 256  # a 16 × 16 grid, row by row


FIRST_SPECIAL = BOS
"""All special ids from here to the end of the tokenizer are where they are whatever the text before them is: a smaller
tokenizer has the same ones, as many places earlier as it is shorter."""


@dataclass(frozen=True)
class Vocabulary:
    """Where the parts of the vocabulary begin; the defaults are what all published models have.

    Attributes:
        size: ids in all.
        codebook: image codes; code c has the id `image_offset` + c.
        bins: bins of an action or state number; bin b has the id `action_offset` + b.
        text: length of the text tokenizer, special tokens included.
        image_tokens: codes of a picture, a square number.
        first_bin: id of bin 0; None if the bins are the last ids.
    """

    size: int
    codebook: int
    bins: int
    text: int = TEXT_SIZE
    image_tokens: int = IMAGE_TOKENS
    first_bin: int | None = None

    def __post_init__(self) -> None:
        first, last = self.action_offset, self.action_offset + self.bins
        if self.bins < 2 or self.codebook < 1 or first < self.image_offset + self.codebook or last > self.size:
            raise UsageError(
                f"wrong vocabulary: {self.size} ids do not hold {self.text} text tokens, {self.codebook} image codes "
                f"and {self.bins} action bins"
            )
        if not TEXT_SIZE - FIRST_SPECIAL < self.text <= TEXT_SIZE:
            raise UsageError(
                f"wrong vocabulary: a tokenizer has {TEXT_SIZE - FIRST_SPECIAL} special tokens and some text, "
                f"{TEXT_SIZE} tokens at most, not {self.text}"
            )
        if self.image_tokens < 1 or math.isqrt(self.image_tokens) ** 2 != self.image_tokens:
            raise UsageError(f"wrong vocabulary: a picture is a square of codes, not {self.image_tokens} of them")

    @property
    def image_offset(self) -> int:
        """Id of image code 0: right behind the tokenizer's last token, before the end of the language model's rows."""
        return self.text

    @property
    def action_offset(self) -> int:
        """Id of bin 0."""
        return self.size - self.bins if self.first_bin is None else self.first_bin

    def special(self, published: int) -> int:
        """The id of a special token, given by its published one."""
        return published - TEXT_SIZE + self.text
