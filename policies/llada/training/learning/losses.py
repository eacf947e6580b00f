"""The loss: cross-entropy of masked tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from mmact_eval.policies.llada.logits import Batch
from mmact_eval.policies.llada.transformer import MaskedTokenPredictor

ALL = slice(None)


@dataclass(frozen=True)
class Numbers:
    """That the tokens of a part stand for numbers.

    Attributes:
        ids: of the bins.
        restore: (K,) bins and where each is in the part, (K,) → the numbers.
    """

    ids: slice
    restore: Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.floating[Any]]]


@dataclass(frozen=True)
class Part:
    """Some of a block's tokens, whose loss is told apart from others'.

    Attributes:
        name: in reports; "" for none.
        ids: the part of the vocabulary that the tokens are looked for in.
        places: where they are in the block.
        weight: of their loss.
        numbers: what they stand for, if for numbers.
    """

    name: str
    ids: slice = field(default_factory=lambda: ALL)
    places: slice = field(default_factory=lambda: ALL)
    weight: float = 1.0
    numbers: Numbers | None = None


@dataclass(frozen=True)
class Question:
    """A batch of sequences with some of their tokens masked.

    Attributes:
        batch: prompts; `Batch.block` says where the tokens are that are asked for.
        tokens: (B, N) int64 ids, the truth.
        masked: (B, N) bool, what is masked.
        counted: (B, N) bool, what counts: what is masked and there is a truth for; a token that is shown may count too.
        parts: of the block.
        one_mean: whether the loss is one mean over the tokens of all parts; else the sum of the means of each.
    """

    batch: Batch
    tokens: Tensor
    masked: Tensor
    counted: Tensor
    parts: Sequence[Part]
    one_mean: bool = False

    def shown(self) -> Tensor:
        """(B, L) int64: the sequences as the model sees them."""
        return self.batch.with_block(torch.where(self.masked, self.batch.mask_id, self.tokens))


@dataclass(frozen=True)
class Told:
    """How the tokens of a part were answered.

    Attributes:
        loss: mean cross-entropy, nats; of a model that answers with numbers, its own loss.
        right: part of them that the model thinks most likely; None where there is no such thing.
        off: for numbers, the mean distance of the most likely bin's number from the truth; else None.
    """

    loss: float
    right: float | None = None
    off: float | None = None


@dataclass(frozen=True)
class Answered:
    """How a question was answered.

    Attributes:
        loss: what is to become less.
        parts: those with a name and a token that counts.
    """

    loss: Tensor
    parts: Mapping[str, Told]


def answer(predictor: MaskedTokenPredictor, question: Question, precision: AbstractContextManager[None]) -> Answered:
    """Ask the model.

    Args:
        predictor: the model.
        question: what.
        precision: the context its layers are computed in; the loss is float32.

    Returns:
        A loss of 0 and no parts where nothing counts.
    """
    found = []
    with precision:
        hidden = predictor(question.shown(), question.batch.attention, question.batch.block)
        for part in question.parts:
            counted = question.counted[:, part.places]
            if counted.any():
                logits = predictor.logits(hidden[:, part.places][counted], part.ids)
                found.append((part, counted, logits, question.tokens[:, part.places][counted] - (part.ids.start or 0)))
    total: Tensor | None = None
    shares, told = 0.0, {}
    for part, counted, logits, truth in found:
        loss = functional.cross_entropy(logits.float(), truth)
        share = part.weight * (len(truth) if question.one_mean else 1)
        total = share * loss if total is None else total + share * loss
        shares += share
        if part.name:
            told[part.name] = _told(part, counted, logits, truth, float(loss.detach()))
    if total is None:
        return Answered(hidden.sum() * 0.0, {})
    return Answered(total / shares if question.one_mean else total, told)


def _told(part: Part, counted: Tensor, logits: Tensor, truth: Tensor, loss: float) -> Told:
    with torch.no_grad():
        right = float((logits.argmax(-1) == truth).float().mean())
        if part.numbers is None:
            return Told(loss, right)
        first = part.numbers.ids.start - (part.ids.start or 0)
        count = part.numbers.ids.stop - part.numbers.ids.start
        places = counted.nonzero()[:, 1].cpu().numpy()
        best, true = logits[:, first : first + count].argmax(-1), truth - first
        numbers = [part.numbers.restore(bins.cpu().numpy(), places) for bins in (best, true)]
    return Told(loss, right, float(abs(numbers[0] - numbers[1]).mean()))
