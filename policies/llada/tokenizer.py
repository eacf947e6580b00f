"""The text tokenizer: a tokenizer.json, read with the `tokenizers` package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mmact_eval.errors import UsageError
from mmact_eval.policies.llada.vocabulary import BOS, EOS, MASK, Vocabulary

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TOKENIZER_FILE = "tokenizer.json"


class Tokenizes(Protocol):
    """What a model asks of its text tokenizer."""

    def encode(self, text: str) -> list[int]: ...
    def decode(self, ids: Sequence[int]) -> str: ...


class TextTokenizer:
    """Text to ids and back."""

    def __init__(self, tokenizer: Tokenizer, vocabulary: Vocabulary) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._size = vocabulary.text
        self._end = vocabulary.special(EOS)

    def encode(self, text: str) -> list[int]:
        """Ids of a text, with whatever the tokenizer's own post-processing adds."""
        return list(self._tokenizer.encode(text).ids)

    def decode(self, ids: Sequence[int]) -> str:
        """The text up to the first end-of-text, without special tokens and ids that are no text."""
        ids = list(ids)
        end = ids.index(self._end) if self._end in ids else len(ids)
        return str(self._tokenizer.decode([i for i in ids[:end] if i < self._size], skip_special_tokens=True))


def read_tokenizer(folder: Path, vocabulary: Vocabulary, model: str) -> TextTokenizer:
    """The tokenizer in a folder.

    Args:
        folder: of a checkpoint, or another one.
        vocabulary: of the model.
        model: its name, in words.

    Raises:
        UsageError: there is none, it cannot be read, or its length is not the one that the model was made for.
    """
    from tokenizers import Tokenizer

    path = folder / TOKENIZER_FILE
    if not path.is_file():
        raise UsageError(f"{folder} is no {model} checkpoint: it has no {TOKENIZER_FILE}")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the package raises nothing narrower
        raise UsageError(f"cannot read {path}: {error}") from None
    size = tokenizer.get_vocab_size(with_added_tokens=True)
    if size != vocabulary.text:
        # Image codes begin at the tokenizer's length, so another length would shift every one of them.
        raise UsageError(
            f"wrong vocabulary: {path} has {size} tokens, and {model}'s has {vocabulary.text}; take the tokenizer that "
            "the weights were trained with"
        )
    absent = [i for i in map(vocabulary.special, (BOS, EOS, MASK)) if tokenizer.id_to_token(i) is None]
    if absent:
        raise UsageError(f"wrong vocabulary: {path} has no token with the id {', '.join(map(str, absent))}")
    return TextTokenizer(tokenizer, vocabulary)
