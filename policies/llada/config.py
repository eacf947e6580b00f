"""What the config.json of a checkpoint says of the transformer; what `transformer` does not do is refused.

What it says of the vocabulary is each model's own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from mmact_eval.errors import UsageError
from mmact_eval.policies.llada import vocabulary
from mmact_eval.policies.llada.vocabulary import Vocabulary

CONFIG_FILE = "config.json"
RANDOM_WEIGHTS = "random_weights"
"""Our key for checkpoints whose weights are random."""

# Architecture switches of the LLaDA family, and the one value that its models use and `transformer` implements. A file
# that leaves one out means this value.
FIXED: Mapping[str, Any] = {
    "activation_type": "silu",
    "alibi": False,
    "attention_layer_norm": False,
    "block_group_size": 1,
    "block_type": "llama",
    "include_bias": False,
    "include_qkv_bias": False,
    "input_emb_norm": False,
    "layer_norm_type": "rms",
    "num_new_special_tokens": 0,
    "rope": True,
    "rope_full_precision": True,
    "scale_logits": False,
    "weight_tying": False,
}
# Ids that a file states though they follow from the length of the tokenizer.
SPECIAL_IDS: Mapping[str, int] = {
    "bos_token_id": vocabulary.BOS,
    "eos_token_id": vocabulary.EOS,
    "mask_token_id": vocabulary.MASK,
}

REQUIRED = ("d_model", "n_layers", "n_heads", "mlp_hidden_size", "vocab_size")


@dataclass(frozen=True)
class TransformerConfig:
    """Size and constants of the transformer; the defaults are those of all published models."""

    d_model: int = 4096
    n_layers: int = 32
    n_heads: int = 32
    n_kv_heads: int = 32
    mlp_hidden_size: int = 12288
    max_sequence_length: int = 4096
    rope_theta: float = 500_000.0
    rms_norm_eps: float = 1e-5
    vocabulary: Vocabulary = field(kw_only=True)

    def __post_init__(self) -> None:
        """
        Raises:
            UsageError: the sizes contradict each other.
        """
        for name in ("d_model", "n_layers", "n_heads", "n_kv_heads", "mlp_hidden_size", "max_sequence_length"):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise UsageError(f"model config: {name} must be an integer ≥ 1, got {value!r}")
        for name in ("rope_theta", "rms_norm_eps"):
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or isinstance(value, bool) or value <= 0:
                raise UsageError(f"model config: {name} must be a number > 0, got {value!r}")
        if self.d_model % (2 * self.n_heads):
            raise UsageError(f"model config: d_model {self.d_model} is no even multiple of n_heads {self.n_heads}")
        if self.n_heads % self.n_kv_heads:
            raise UsageError(f"model config: n_heads {self.n_heads} is no multiple of n_kv_heads {self.n_kv_heads}")

    @property
    def head_dim(self) -> int:
        return self.d_model // self.n_heads


class Sizes(TypedDict):
    """A `TransformerConfig` but for its vocabulary."""

    d_model: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    mlp_hidden_size: int
    max_sequence_length: int
    rope_theta: float
    rms_norm_eps: float


def read_json(folder: Path, model: str) -> dict[str, Any]:
    """The config.json in a folder.

    Args:
        folder: of a checkpoint.
        model: whose, in words.

    Raises:
        UsageError: there is none, or it is no JSON object.
    """
    path = folder / CONFIG_FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{folder} is no {model} checkpoint: it has no {CONFIG_FILE}") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {path}: {error}") from None
    if not isinstance(data, dict):
        raise UsageError(f"{path} is not a JSON object")
    return data


def check_family(data: Mapping[str, Any], model_type: str) -> None:
    """
    Args:
        data: of a config.json.
        model_type: what it must say that it is.

    Raises:
        UsageError: it is another model, a switch asks for another architecture, or a size is missing.
    """
    if data.get("model_type") != model_type:
        raise UsageError(f'model_type must be "{model_type}", got {data.get("model_type")!r}')
    check_fixed(data, FIXED)
    missing = [name for name in REQUIRED if data.get(name) is None]
    if missing:
        raise UsageError(f"{', '.join(missing)} missing")
    if data.get("embedding_size") not in (None, data["vocab_size"]):
        raise UsageError(f"wrong vocabulary: vocab_size {data['vocab_size']}, embedding_size {data['embedding_size']}")


def check_fixed(data: Mapping[str, Any], supported: Mapping[str, Any]) -> None:
    """
    Raises:
        UsageError: a file has another value than the supported one; left out means that.
    """
    for name, value in supported.items():
        if data.get(name) not in (None, value):
            raise UsageError(f"{name} is {data[name]!r}, and only {value!r} is supported")


def special_ids(words: Vocabulary) -> dict[str, int]:
    """What a config.json of this vocabulary says of its special ids, if anything."""
    return {name: words.special(token) for name, token in SPECIAL_IDS.items()}


def read_sizes(data: Mapping[str, Any]) -> Sizes:
    """The sizes in the words of a published config.json, not checked yet: `TransformerConfig` does."""
    defaults = TransformerConfig
    return Sizes(
        d_model=data["d_model"],
        n_layers=data["n_layers"],
        n_heads=data["n_heads"],
        n_kv_heads=data.get("n_kv_heads") or data["n_heads"],
        mlp_hidden_size=data["mlp_hidden_size"],
        max_sequence_length=data.get("max_sequence_length", defaults.max_sequence_length),
        rope_theta=data.get("rope_theta", defaults.rope_theta),
        rms_norm_eps=data.get("rms_norm_eps", defaults.rms_norm_eps),
    )


def sizes_json(config: TransformerConfig) -> dict[str, Any]:
    """What a config.json says of every model of the family: sizes, the switches above, and what loaders ask for."""
    words = config.vocabulary
    inert = {
        "alibi_bias_max": 8.0,
        "attention_dropout": 0.0,
        "attention_layer_norm_with_affine": True,
        "bias_for_layer_norm": False,
        "embedding_dropout": 0.0,
        "flash_attention": False,
        "init_cutoff_factor": None,
        "init_device": "meta",
        "init_fn": "mitchell",
        "init_std": 0.02,
        "layer_norm_with_affine": True,
        "mlp_ratio": 4,
        "multi_query_attention": None,
        "precision": "amp_bf16",
        "residual_dropout": 0.0,
        "use_cache": False,
    }
    sizes = {
        "d_model": config.d_model,
        "n_layers": config.n_layers,
        "n_heads": config.n_heads,
        "n_kv_heads": config.n_kv_heads,
        "mlp_hidden_size": config.mlp_hidden_size,
        "max_sequence_length": config.max_sequence_length,
        "rope_theta": config.rope_theta,
        "rms_norm_eps": config.rms_norm_eps,
        "vocab_size": words.size,
        "embedding_size": words.size,
        "new_vocab_size": words.size,
        "llm_vocab_size": vocabulary.LLM_VOCAB_SIZE - vocabulary.TEXT_SIZE + words.text,
        "pad_token_id": words.special(vocabulary.EOS),
        **special_ids(words),
    }
    return {**inert, **FIXED, **sizes}


def has_random_weights(folder: Path) -> bool:
    """Whether the checkpoint in a folder says of itself that its weights are random."""
    path = folder / CONFIG_FILE
    return path.is_file() and bool(json.loads(path.read_text(encoding="utf-8")).get(RANDOM_WEIGHTS))
