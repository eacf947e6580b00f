"""Random weights of any size, in exactly the published layout.

They act at random, so they are for trying out whether everything fits, and how fast it is. Their config.json says that
they are random.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from mmact_eval.policies.llada.checkpoint import DTYPES
from mmact_eval.policies.llada.config import CONFIG_FILE, RANDOM_WEIGHTS
from mmact_eval.policies.llada.quantizer import Quantizer, QuantizerConfig, SignQuantizer, quantizer_json


def write_quantizer(folder: Path, config: QuantizerConfig, seed: int = 0) -> None:
    """Write config.json and one float32 safetensors file of an image tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    with torch.device("meta"):
        module = Quantizer(config)
    data = quantizer_json(config) | {RANDOM_WEIGHTS: True}
    (folder / CONFIG_FILE).write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    tensors = {name: _random(name, tensor, seed) for name, tensor in module.state_dict().items()}
    rule = SignQuantizer(config.bits)
    tensors |= {f"quantize.{name}": tensor for name, tensor in rule.state_dict().items()}
    # Keeps pictures within [-1, 1], as a trained decoder does.
    tensors["decoder.conv_out.weight"] *= 0.25
    save_file(tensors, folder / "pytorch_model.safetensors", metadata={"format": "pt"})


def write_weights(folder: Path, module: nn.Module, seed: int, dtype: str, shard_bytes: int = 5 * 10**9) -> None:
    """Write safetensors shards of at most `shard_bytes` (one tensor at least), with an index if they are several.

    Args:
        folder: where.
        module: names and shapes; it may be on PyTorch's ``meta`` device.
        seed: 0 to 2³² - 1. A tensor depends on it and its name and shape alone.
        dtype: one of `DTYPES`.
        shard_bytes: only one shard is in memory at a time.
    """
    shards = list(_shards(module, DTYPES[dtype].itemsize, shard_bytes))
    if len(shards) == 1:
        names = {"model.safetensors": shards[0]}
    else:
        names = {f"model-{i:05d}-of-{len(shards):05d}.safetensors": shard for i, shard in enumerate(shards, 1)}
    state = module.state_dict()
    for file, keys in names.items():
        tensors = {key: _random(key, state[key], seed).to(DTYPES[dtype]) for key in keys}
        save_file(tensors, folder / file, metadata={"format": "pt"})
    if len(names) > 1:
        weight_map = {key: file for file, keys in names.items() for key in keys}
        total = sum(tensor.numel() for tensor in state.values()) * DTYPES[dtype].itemsize
        index = {"metadata": {"total_size": total}, "weight_map": weight_map}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2), encoding="utf-8")


def _random(name: str, like: Tensor, seed: int) -> Tensor:
    """Noise that keeps the scale of what passes through, so that logits differ and codes vary."""
    # PyTorch's generator for the CPU reads 32 bits of its seed, so the checkpoint's seed is mixed into these.
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode(), seed))
    noise = torch.randn(like.shape, generator=generator)
    if name.endswith(".bias"):
        return noise * 0.1
    if like.ndim == 1:
        return 1.0 + noise * 0.1
    return noise if name.endswith("wte.weight") else noise / like[0].numel() ** 0.5


def _shards(module: nn.Module, itemsize: int, limit: int) -> Iterator[list[str]]:
    shard: list[str] = []
    size = 0
    for name, tensor in module.state_dict().items():
        if shard and size + tensor.numel() * itemsize > limit:
            yield shard
            shard, size = [], 0
        shard.append(name)
        size += tensor.numel() * itemsize
    yield shard
