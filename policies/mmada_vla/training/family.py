"""MMaDA-VLA, as it is trained."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmact_eval.errors import UsageError
from mmact_eval.machine.user_folders import expanded
from mmact_eval.policies.llada.config import CONFIG_FILE
from mmact_eval.policies.llada.policy.own_defaults import OWN
from mmact_eval.policies.llada.quantizer import QuantizerConfig
from mmact_eval.policies.llada.tokenizer import read_tokenizer
from mmact_eval.policies.llada.training.data.moments import Indices, Moments
from mmact_eval.policies.llada.training.data.source import Source
from mmact_eval.policies.llada.training.data.words import tokenizer_length, train_tokenizer
from mmact_eval.policies.llada.training.pipeline import Say, Trained, train
from mmact_eval.policies.llada.training.settings import NOT_TRAINED
from mmact_eval.policies.mmada_vla.bins import statistics_file
from mmact_eval.policies.mmada_vla.config import ARGS_FILE, ModelConfig, args_json, config_json, variant_name
from mmact_eval.policies.mmada_vla.policy.own_defaults import OwnDefaults
from mmact_eval.policies.mmada_vla.prompts import FRAME, said
from mmact_eval.policies.mmada_vla.states import LEVELS, Ranges, ranges_of
from mmact_eval.policies.mmada_vla.training.settings import Training
from mmact_eval.policies.mmada_vla.training.source import robot_of, source
from mmact_eval.policies.mmada_vla.training.statistics import as_learned, statistics_json, statistics_of
from mmact_eval.policies.mmada_vla.training.targets import Examples
from mmact_eval.policies.mmada_vla.vocabulary import vocabulary

_ALONE = {"text": r"\d(?=\d*(\s|$))", "bins": r"\d+", "none": ""}
"""What is joined with nothing beside it, for each way to tell the state. As text, the last digits of a number, one by
one: what is before the point may become a token. In bins, each number."""


@dataclass(frozen=True)
class MMaDATask:
    """As `Task` has it.

    Attributes:
        statistics: contents of the file of action statistics.
        numbers: the tokens of a state in bins.
    """

    settings: Training
    config: ModelConfig
    examples: Examples
    statistics: Mapping[str, Any]
    remarks: Sequence[str] = ()
    numbers: Mapping[int, float] = field(default_factory=dict)

    def files(self, trained_on: Mapping[str, str]) -> dict[str, Mapping[str, Any]]:
        """config.json, args.json and the statistics of actions."""
        variant = variant_of(self.settings)
        name = self.settings.name if variant == "goal" else f"{self.settings.name}-{variant}"
        own = OwnDefaults(
            name, self.settings.attention, **self.settings.decoding.model_dump(), trained_on=dict(trained_on)
        )  # fmt: skip
        return {
            CONFIG_FILE: config_json(self.config, self.settings.stored) | {OWN: own.as_json()},
            ARGS_FILE: args_json(self.config),
            statistics_file(Path(), self.config.chunk).name: self.statistics,
        }


class MMaDAFamily:
    """As `Family` and `Trainable` have it."""

    name = "mmada-vla"
    model = "MMaDA-VLA"
    policy = "mmada-vla"

    def settings_type(self) -> type[Training]:
        return Training

    def source(self, settings: Training, folders: Sequence[Path]) -> Source:
        return source(robot_of(folders), settings.chunk)

    def read_as(self, settings: Training) -> str:
        return f"{self.name} {settings.chunk}"

    def variant(self, settings: Training) -> str:
        return variant_of(settings)

    def trained_as(self, settings: Training) -> str:
        return settings.model_dump_json(exclude={*NOT_TRAINED, "decoding"})

    def train_tokenizer(self, settings: Training, moments: Moments, folder: Path) -> None:
        phrases = list(map(str, range(LEVELS))) if settings.state == "bins" else []
        texts = sorted(set(_texts(settings, moments)))
        train_tokenizer(texts, settings.text_tokens, folder, phrases, _ALONE[settings.state])

    def task(
        self,
        settings: Training,
        moments: Moments,
        codes: Indices,
        images: QuantizerConfig,
        tokenizer: Path,
        device: torch.device,
    ) -> MMaDATask:
        text, codebook, bins = tokenizer_length(tokenizer), 2**images.bits, settings.model.bins
        words = vocabulary(text + codebook + bins, codebook, bins, text, images.grid**2)
        encode = functools.cache(read_tokenizer(tokenizer, words, self.model).encode)
        model, texts = settings.model, sorted(set(_texts(settings, moments)))
        lengths = [len(encode(text)) + FRAME for text in texts]
        slot = settings.max_text_len or max(lengths) + max(lengths) // 8
        config = ModelConfig(
            d_model=model.d_model, n_layers=model.n_layers, n_heads=model.n_heads, n_kv_heads=model.n_heads,
            mlp_hidden_size=model.mlp_hidden_size, rope_theta=model.rope_theta, vocabulary=words, chunk=settings.chunk,
            text_slot=slot, goal=settings.goal, attention=settings.attention, state=settings.state,
            state_decimals=settings.state_decimals, state_ranges=_ranges(settings, moments),
        )  # fmt: skip
        _require_instructions([len(encode(str(words))) + FRAME for words in moments.instructions], slot)
        robot = robot_of([expanded(folder) for folder in settings.data])
        actions = as_learned(moments.actions, robot)
        whole = actions[moments.there.all(axis=1)]
        if not len(whole):
            raise UsageError(f"no demonstration has a whole chunk of {settings.chunk} actions")
        examples = Examples(moments, codes, actions, statistics_of(whole), encode, config, settings, device)
        numbers = _numbers(encode) if settings.state == "bins" else {}
        return MMaDATask(settings, config, examples, statistics_json(whole, robot), _cut(lengths, slot), numbers)

    def train(self, settings: Training, out: Path, device_name: str, only_quantizer: bool, say: Say) -> Trained:
        return train(self, settings, out, device_name, only_quantizer, say)


FAMILY = MMaDAFamily()


def variant_of(settings: Training) -> str:
    """As `variant_name` has it."""
    return variant_name(settings.goal, settings.attention)


def _texts(settings: Training, moments: Moments) -> list[str]:
    """What a prompt says at each moment."""
    instructions, ranges = moments.instructions[moments.instruction], _ranges(settings, moments)
    return [
        said(str(words), state.astype(np.float64), settings.state, settings.state_decimals, ranges)
        for words, state in zip(instructions, moments.states, strict=True)
    ]


def _ranges(settings: Training, moments: Moments) -> Ranges | None:
    """By which states are scaled, if they are."""
    return ranges_of(moments.states) if settings.state == "bins" else None


def _numbers(encode: Callable[[str], list[int]]) -> dict[int, float]:
    """As `Task.numbers` has it.

    Raises:
        UsageError: the tokenizer has no token for one of them.
    """
    tokens = [encode(str(level)) for level in range(LEVELS)]
    if max(map(len, tokens)) > 1:
        raise UsageError(
            f"state: bins needs a token for each number from 0 to {LEVELS - 1}, and the text tokenizer lacks "
            f"{sum(len(token) > 1 for token in tokens)} of them: give more text_tokens, or take a tokenizer that was "
            "trained for it"
        )
    return {token: 2.0 * level / (LEVELS - 1) - 1.0 for level, (token,) in enumerate(tokens)}


def _require_instructions(lengths: Sequence[int], slot: int) -> None:
    """
    Raises:
        UsageError: an instruction of these many tokens does not fit, let alone the state behind it.
    """
    if max(lengths) > slot:
        raise UsageError(
            f"max_text_len is {slot}, and an instruction takes {max(lengths)} tokens with its begin and end; give "
            "more, or null for as many as the longest text needs"
        )


def _cut(lengths: Sequence[int], slot: int) -> list[str]:
    """What to say of texts of these lengths that lose their end."""
    longer = sum(length > slot for length in lengths)
    if not longer:
        return []
    return [
        f"{longer} of {len(lengths)} texts (instruction and state) are longer than max_text_len, {slot} tokens, and "
        f"lose the end of the state; the longest takes {max(lengths)}"
    ]
