"""MM-ACT, as it is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic_core import to_json

from mmact_eval.policies.llada.config import CONFIG_FILE
from mmact_eval.policies.llada.quantizer import QuantizerConfig
from mmact_eval.policies.llada.tokenizer import read_tokenizer
from mmact_eval.policies.llada.training.data.moments import Indices, Moments
from mmact_eval.policies.llada.training.data.source import Source
from mmact_eval.policies.llada.training.data.words import tokenizer_length, train_tokenizer
from mmact_eval.policies.llada.training.pipeline import Say, Trained, train
from mmact_eval.policies.llada.vocabulary import Vocabulary
from mmact_eval.policies.mmact import prompts
from mmact_eval.policies.mmact.config import ModelConfig, config_json
from mmact_eval.policies.mmact.own.own_defaults import OWN, OwnDefaults
from mmact_eval.policies.mmact.training.settings import Training
from mmact_eval.policies.mmact.training.source import source
from mmact_eval.policies.mmact.training.targets import Examples

PHRASES = (
    prompts.HEAD_VIEW, prompts.WRIST_VIEW, prompts.LEFT_WRIST_VIEW, prompts.RIGHT_WRIST_VIEW, prompts.STATE,
    prompts.ACTION_DIM,
)  # fmt: skip

_TRAINED_AS = (
    "seed", "variant", "state_mode", "held_out", "text_tokens", "plan_tokens", "full_masks", "quantizer", "model",
    "stages", "precision",
)  # fmt: skip
"""Settings that a saved state depends on: all but those of reports and names. In this order, as saved states say."""


@dataclass(frozen=True)
class MMACTTask:
    """As `Task` has it."""

    settings: Training
    config: ModelConfig
    examples: Examples
    remarks: Sequence[str] = ()
    numbers: Mapping[int, float] = field(default_factory=dict)

    def files(self, trained_on: Mapping[str, str]) -> dict[str, dict[str, Any]]:
        """config.json, which says how the model wants to be asked."""
        settings = self.settings
        own = OwnDefaults(
            f"{settings.name}-{settings.variant}", settings.variant, settings.state_mode, settings.decoding,
            plan_tokens=settings.plan_tokens, plan_steps=settings.plan_tokens, trained_on=trained_on,
        )  # fmt: skip
        return {CONFIG_FILE: config_json(self.config, settings.stored) | {OWN: own.as_json()}}


class MMACTFamily:
    """As `Family` and `Trainable` have it."""

    name = "mmact"
    model = "MM-ACT"
    policy = "mmact"

    def settings_type(self) -> type[Training]:
        return Training

    def source(self, settings: Training, folders: Sequence[Path]) -> Source:
        return source(folders, settings.state_mode)

    def read_as(self, settings: Training) -> str:
        return settings.state_mode

    def variant(self, settings: Training) -> str:
        return settings.variant

    def trained_as(self, settings: Training) -> str:
        data = settings.model_dump()
        return to_json({name: data[name] for name in _TRAINED_AS}).decode()

    def train_tokenizer(self, settings: Training, moments: Moments, folder: Path) -> None:
        spoken = [*moments.instructions, *(text for text in moments.subtasks if text)]
        train_tokenizer([str(text) for text in spoken], settings.text_tokens, folder, PHRASES)

    def task(
        self,
        settings: Training,
        moments: Moments,
        codes: Indices,
        images: QuantizerConfig,
        tokenizer: Path,
        device: torch.device,
    ) -> MMACTTask:
        text, codebook, bins = tokenizer_length(tokenizer), 2**images.bits, settings.model.bins
        words = Vocabulary(text + codebook + bins, codebook, bins, text, images.grid**2)
        encode = read_tokenizer(tokenizer, words, self.model).encode
        examples = Examples(moments, codes, encode, words, settings.plan_tokens, settings.full_masks, device)
        return MMACTTask(settings, model_config(settings, words), examples)

    def train(self, settings: Training, out: Path, device_name: str, only_quantizer: bool, say: Say) -> Trained:
        return train(self, settings, out, device_name, only_quantizer, say)


FAMILY = MMACTFamily()


def model_config(settings: Training, vocabulary: Vocabulary) -> ModelConfig:
    """The transformer that the settings ask for."""
    model = settings.model
    return ModelConfig(
        d_model=model.d_model, n_layers=model.n_layers, n_heads=model.n_heads, n_kv_heads=model.n_heads,
        mlp_hidden_size=model.mlp_hidden_size, rope_theta=model.rope_theta, vocabulary=vocabulary,
    )  # fmt: skip
