"""Models without weights: layers on PyTorch's meta device, which knows shapes and no numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn, Protocol

from mmact_eval.errors import UsageError
from mmact_eval.policies.llada.config import TransformerConfig
from mmact_eval.specs import PolicySpec
from mmact_eval.suite import Suite
from mmact_eval.types import AnswerCost, Episode, Query

if TYPE_CHECKING:
    from mmact_eval.policies.llada.quantizer import Quantizer
    from mmact_eval.policies.llada.transformer import MaskedTokenPredictor

NO_WEIGHTS = "no weights: a shape to be counted"


class _Countable(Protocol):
    spec: PolicySpec

    def reset(self, episodes: Sequence[Episode]) -> None: ...
    def describe_cost(self, query: Query) -> AnswerCost: ...
    def rehearse(self, queries: Sequence[Query]) -> None: ...


class ShapePolicy:
    """A policy that can be counted and cannot act.

    Args:
        policy: one whose modules are on the meta device.
    """

    def __init__(self, policy: _Countable) -> None:
        self.spec = policy.spec
        self._policy = policy

    def reset(self, episodes: Sequence[Episode]) -> None:
        """As the policy does."""
        self._policy.reset(episodes)

    def covers(self, suite: Suite, episodes: Sequence[Episode]) -> NoReturn:
        """It covers no episode.

        Raises:
            UsageError: always.
        """
        self._refuse()

    def act(self, queries: Sequence[Query]) -> NoReturn:
        """It has no answer.

        Raises:
            UsageError: always.
        """
        self._refuse()

    def describe_cost(self, query: Query) -> AnswerCost:
        """As the policy does."""
        return self._policy.describe_cost(query)

    def rehearse(self, queries: Sequence[Query]) -> None:
        """As the policy does."""
        self._policy.rehearse(queries)

    def _refuse(self) -> NoReturn:
        name = self.spec.name
        raise UsageError(
            f"policy {name} has no weights and cannot act; `mmact-eval profile --policy {name}` counts what it would "
            "take"
        )


class WordTokenizer:
    """A token for each word, number and punctuation mark: about what the published tokenizer makes of instructions."""

    def encode(self, text: str) -> list[int]:
        """As many ids as there are words; which ones is of no consequence."""
        return [0] * len(re.findall(r"\w+|[^\w\s]", text))

    def decode(self, ids: Sequence[int]) -> str:
        """Nothing: there is no text."""
        return ""


def require_square(policy: str, tokens: object) -> None:
    """
    Raises:
        UsageError: a picture is a square of tokens, and this number is none.
    """
    if type(tokens) is not int or tokens < 1 or math.isqrt(tokens) ** 2 != tokens:
        raise UsageError(f"policy {policy}: picture_tokens must be a square number such as 256, got {tokens!r}")


def without_weights(config: TransformerConfig, dtype: str) -> tuple[MaskedTokenPredictor, Quantizer]:
    """A transformer in this type of numbers, and the published image tokenizer for pictures of as many codes."""
    import torch

    from mmact_eval.policies.llada.quantizer import Quantizer, QuantizerConfig
    from mmact_eval.policies.llada.transformer import MaskedTokenPredictor

    patch = QuantizerConfig().patch
    images = QuantizerConfig(side=math.isqrt(config.vocabulary.image_tokens) * patch)
    with torch.device("meta"):
        return MaskedTokenPredictor(config).to(getattr(torch, dtype)).eval(), Quantizer(images).eval()
