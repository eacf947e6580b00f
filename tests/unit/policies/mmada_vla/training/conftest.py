"""Settings of a training that takes seconds, on made-up demonstrations."""

from __future__ import annotations

import copy
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mmact_eval.policies.llada.training.data.moments import Moments
    from mmact_eval.policies.mmada_vla.training.settings import Training

if any(importlib.util.find_spec(name) is None for name in ("torch", "safetensors", "tokenizers", "pyarrow")):
    collect_ignore_glob = ["test_*.py"]

TINY: dict[str, Any] = {
    "family": "mmada-vla",
    "name": "made-up",
    "chunk": 4,
    "held_out": 0.34,
    "text_tokens": 300,
    "quantizer": {
        "side": 32, "channels": 8, "groups": 4, "bits": 6,
        "encoder_widths": [1, 2, 2, 2], "encoder_blocks": [0, 1, 1, 1],
        "decoder_widths": [1, 1, 2, 2], "decoder_blocks": [0, 1, 1, 1], "steps": 3, "batch": 4, "actions": 1.0,
    },
    "model": {"d_model": 32, "n_layers": 2, "n_heads": 2, "mlp_hidden_size": 64, "bins": 64},
    "stages": {"act": {"steps": 4, "batch": 4, "optimizer": {"rate": 0.001, "warmup": 2}}},
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


@pytest.fixture(scope="session")
def settings(data: Path) -> Callable[..., Training]:
    """Makes settings: those of a tiny training as released, with changes."""
    from mmact_eval.policies.mmada_vla.training.settings import Training

    def made(*folders: Path, **changes: Any) -> Training:
        return Training.model_validate(
            {**copy.deepcopy(TINY), "data": list(map(str, folders or (data,))), **changes}
        )  # fmt: skip

    return made


@pytest.fixture(scope="session")
def moments(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Moments:
    """Those of the demonstrations, with a chunk of 4."""
    from mmact_eval.policies.llada.training.data.frames import load_moments
    from mmact_eval.policies.mmada_vla.training.source import source

    return load_moments([data], source("libero", 4), 32, tmp_path_factory.mktemp("cache"), lambda line: None)
