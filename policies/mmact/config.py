"""The size of an MM-ACT, read from a checkpoint's config.json, and written to one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmact_eval.errors import UsageError
from mmact_eval.policies.llada import vocabulary as shared
from mmact_eval.policies.llada.config import (
    CONFIG_FILE,
    TransformerConfig,
    check_family,
    check_fixed,
    read_json,
    read_sizes,
    sizes_json,
    special_ids,
)
from mmact_eval.policies.llada.vocabulary import Vocabulary
from mmact_eval.policies.mmact.vocabulary import ACTION_BINS, PUBLISHED

TEXT_SIZE = "text_vocab_size"
"""Our key for the length of the tokenizer, in the files of models with another one than the published."""


@dataclass(frozen=True)
class ModelConfig(TransformerConfig):
    """Size and constants of MM-ACT; the defaults are the published model's."""

    vocabulary: Vocabulary = PUBLISHED


def read_config(folder: Path) -> ModelConfig:
    """The config of the checkpoint in a folder.

    Raises:
        UsageError: there is none, it is no JSON object, or it describes something other than MM-ACT.
    """
    data = read_json(folder, "MM-ACT")
    try:
        return parse_config(data)
    except UsageError as error:
        raise UsageError(f"{folder / CONFIG_FILE}: {error}") from None


def parse_config(data: Mapping[str, Any]) -> ModelConfig:
    """The config in the words of a published config.json.

    Raises:
        UsageError: a size is missing or senseless, or a switch asks for another architecture or vocabulary.
    """
    check_family(data, "mmact")
    words = _vocabulary(data)
    check_fixed(data, special_ids(words))
    return ModelConfig(**read_sizes(data), vocabulary=words)


def _vocabulary(data: Mapping[str, Any]) -> Vocabulary:
    sizes = {
        "vocab_size": data["vocab_size"],
        "codebook_size": data.get("codebook_size", shared.CODEBOOK_SIZE),
        "action_vocab_size": data.get("action_vocab_size", ACTION_BINS),
        TEXT_SIZE: data.get(TEXT_SIZE, shared.TEXT_SIZE),
        "num_vq_tokens": data.get("num_vq_tokens", shared.IMAGE_TOKENS),
    }
    for name, value in sizes.items():
        if type(value) is not int:
            raise UsageError(f"wrong vocabulary: {name} must be an integer, got {value!r}")
    return Vocabulary(*sizes.values())


def config_json(config: TransformerConfig, dtype: str) -> dict[str, Any]:
    """What a checkpoint's config.json says."""
    words = config.vocabulary
    sizes = {
        "codebook_size": words.codebook,
        "action_vocab_size": words.bins,
        "num_vq_tokens": words.image_tokens,
    }
    if words.text != shared.TEXT_SIZE:
        sizes[TEXT_SIZE] = words.text
    identity = {"model_type": "mmact", "architectures": ["MMACTModelLM"], "torch_dtype": dtype}
    return dict(sorted({**identity, **sizes_json(config), **sizes}.items()))
