"""Instructions as numbers: a word each, in the order in which they are said."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

NOTHING, UNKNOWN = 0, 1
"""Where the instruction is over, and a word that was never learned. Words that were come after these."""

SPECIAL = 2


def split(text: str) -> list[str]:
    """Its words in lower case, and every mark between them as a word of its own."""
    return re.findall(r"\w+|[^\w\s]", text.lower())


def learned(texts: Iterable[str]) -> tuple[tuple[str, ...], int]:
    """All words of these texts, and how many the longest has, one at least."""
    parts = [split(text) for text in texts]
    return tuple(sorted({word for part in parts for word in part})), max([1, *map(len, parts)])


class Words:
    """The words that a model knows."""

    def __init__(self, known: Sequence[str], slots: int) -> None:
        """
        Args:
            known: as `learned` has them.
            slots: how many words of an instruction are read.
        """
        self._numbers = {word: place for place, word in enumerate(known, SPECIAL)}
        self._slots = slots

    def encode(self, text: str) -> NDArray[np.int64]:
        """(slots,) int64."""
        numbers = [self._numbers.get(word, UNKNOWN) for word in split(text)[: self._slots]]
        return np.array(numbers + [NOTHING] * (self._slots - len(numbers)), np.int64)

    def unread(self, text: str) -> list[str]:
        """Words of a text that say nothing to the model: those that it does not know, and those too far behind."""
        words = split(text)
        return [word for place, word in enumerate(words) if place >= self._slots or word not in self._numbers]
