"""Checkpoints with random weights, of any size, in exactly the published layout.

They act at random, so they are for trying out whether everything fits, and how fast it is. They say in their
config.json that their weights are random. On the command line: `mmact-eval mmact new-checkpoint`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch

from mmact_eval.policies.llada.config import CONFIG_FILE, RANDOM_WEIGHTS
from mmact_eval.policies.llada.quantizer import QuantizerConfig
from mmact_eval.policies.llada.random_weights.new_tokenizer import write_tokenizer
from mmact_eval.policies.llada.random_weights.weights import write_quantizer, write_weights
from mmact_eval.policies.llada.transformer import MaskedTokenPredictor
from mmact_eval.policies.mmact.config import ModelConfig, config_json

SIZES: Mapping[str, tuple[ModelConfig, QuantizerConfig]] = {
    "tiny": (
        ModelConfig(d_model=32, n_layers=2, n_heads=2, n_kv_heads=2, mlp_hidden_size=64),
        QuantizerConfig(channels=32),
    ),
    "small": (
        ModelConfig(d_model=256, n_layers=8, n_heads=4, n_kv_heads=4, mlp_hidden_size=768),
        QuantizerConfig(channels=64),
    ),
    "published": (ModelConfig(), QuantizerConfig()),
}


def write_checkpoint(folder: Path, size: str = "tiny", dtype: str = "float32", seed: int = 0) -> None:
    """Write a transformer of one of `SIZES` to ``folder/model`` and an image tokenizer to ``folder/quantizer``.

    Args:
        dtype: of the transformer, one of `DTYPES`; the image tokenizer is float32.
        seed: equal seeds give equal weights, others give others; 0 to 2³² - 1.

    Raises:
        OSError: it cannot be written.
    """
    model, quantizer = SIZES[size]
    write_model(folder / "model", model, seed, dtype)
    write_quantizer(folder / "quantizer", quantizer, seed)


def write_model(
    folder: Path, config: ModelConfig, seed: int = 0, dtype: str = "float32", shard_bytes: int = 5 * 10**9
) -> None:
    """Write config.json, the tokenizer and safetensors shards of at most `shard_bytes` (one tensor at least).

    A tensor depends on the seed and its name and shape alone. Only one shard is in memory at a time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with torch.device("meta"):
        module = MaskedTokenPredictor(config)
    data = config_json(config, dtype) | {RANDOM_WEIGHTS: True}
    (folder / CONFIG_FILE).write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    write_tokenizer(folder)
    write_weights(folder, module, seed, dtype, shard_bytes)
