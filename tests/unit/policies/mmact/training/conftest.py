"""Settings of a training that takes seconds, on made-up demonstrations."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

if any(importlib.util.find_spec(name) is None for name in ("torch", "safetensors", "tokenizers", "pyarrow")):
    collect_ignore_glob = ["test_*.py"]

TINY: dict[str, Any] = {
    "name": "made-up",
    "held_out": 0.34,
    "text_tokens": 300,
    "plan_tokens": 8,
    "quantizer": {
        "side": 32, "channels": 8, "groups": 4, "bits": 6,
        "encoder_widths": [1, 2, 2, 2], "encoder_blocks": [0, 1, 1, 1],
        "decoder_widths": [1, 1, 2, 2], "decoder_blocks": [0, 1, 1, 1], "steps": 3, "batch": 4, "actions": 1.0,
    },
    "model": {"d_model": 32, "n_layers": 2, "n_heads": 2, "mlp_hidden_size": 64, "bins": 64},
    "stages": {
        "speak": {"steps": 2, "weights": {"text": 1, "image": 1}, "batch": {"text": 2, "image": 2}},
        "act": {
            "steps": 4, "weights": {"action": 1, "text": 0.05, "image": 0.05},
            "batch": {"action": 4, "text": 2, "image": 2}, "optimizer": {"rate": 0.001, "warmup": 2},
        },
    },
    "report_every": 2,
    "save_every": 2,
}  # fmt: skip


@pytest.fixture(scope="session")
def make_data(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a data set: `starts` demonstrations of each task."""
    from made_up_demonstrations import write_demonstrations

    return lambda **how: write_demonstrations(tmp_path_factory.mktemp("data"), **how)


@pytest.fixture(scope="session")
def data(make_data: Callable[..., Path]) -> Path:
    """Three starts of each of two tasks, 12 frames each, every 4th drawn."""
    return make_data()
