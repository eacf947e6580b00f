"""Settings of a training that takes seconds, on made-up demonstrations, and a checkpoint with random weights."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

if any(importlib.util.find_spec(name) is None for name in ("torch", "safetensors", "huggingface_hub", "pyarrow")):
    collect_ignore_glob = ["test_*.py"]

SIZE: dict[str, Any] = {
    "side": 32, "patch": 8, "width": 32, "layers": 2, "heads": 2, "mlp": 64, "readouts": 1, "hidden": 64,
}  # fmt: skip
TINY: dict[str, Any] = {
    "name": "made-up", "held_out": 0.34, "shift": 1, "size": SIZE, "steps": 6, "batch": 4,
    "optimizer": {"rate": 0.001, "warmup": 2}, "report_every": 2, "save_every": 2,
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


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of a tiny network for LIBERO's robot."""
    from mmact_eval.policies.vit_mlp.config import Size
    from mmact_eval.policies.vit_mlp.new_checkpoint import random_config, write_checkpoint

    folder = tmp_path_factory.mktemp("checkpoint")
    write_checkpoint(folder, random_config().model_copy(update={"size": Size.model_validate(SIZE)}))
    return folder
