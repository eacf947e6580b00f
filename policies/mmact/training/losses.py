"""The loss: cross-entropy of masked tokens."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from mmact_eval.policies.llada.transformer import MaskedTokenPredictor
from mmact_eval.policies.mmact.bins import from_bins
from mmact_eval.policies.mmact.training.targets import Question


@dataclass(frozen=True)
class Answered:
    """How a question was answered.

    Attributes:
        loss: mean cross-entropy of the counted tokens, nats.
        right: part of them that the model thinks most likely.
        off: for numbers, the mean distance of the most likely bin's number from the truth; else None.
    """

    loss: Tensor
    right: float
    off: float | None = None


def answer(predictor: MaskedTokenPredictor, question: Question, precision: AbstractContextManager[None]) -> Answered:
    """Ask the model.

    Args:
        predictor: the model.
        question: what.
        precision: the context its layers are computed in; the loss is float32.
    """
    with precision:
        hidden = predictor(question.shown(), question.batch.attention, question.batch.block)
        logits = predictor.logits(hidden[question.counted], question.ids)
    truth = question.tokens[question.counted] - question.ids.start
    loss = functional.cross_entropy(logits.float(), truth)
    with torch.no_grad():
        best = logits.argmax(-1)
        right = float((best == truth).float().mean())
        words = predictor.config.vocabulary
        off = None
        if question.ids.start == words.action_offset:
            numbers = [from_bins(ids.cpu().numpy(), words.bins) for ids in (best, truth)]
            off = float(abs(numbers[0] - numbers[1]).mean())
    return Answered(loss, right, off)
