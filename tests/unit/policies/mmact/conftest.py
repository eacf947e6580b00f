"""A tiny checkpoint with random weights, written and loaded once for all tests of this folder.

Without the packages of the extra ``mmact``, only the tests that do without them are collected.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mmact_eval.policies.mmact.model import MMACT

WITHOUT_TORCH = {"test_adapters.py", "test_bins.py", "test_prompts.py"}
if any(importlib.util.find_spec(name) is None for name in ("torch", "safetensors", "tokenizers", "huggingface_hub")):
    collect_ignore = [path.name for path in Path(__file__).parent.glob("test_*.py") if path.name not in WITHOUT_TORCH]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `model` and `quantizer`."""
    from mmact_eval.policies.mmact.random_weights.new_checkpoint import write_checkpoint

    folder = tmp_path_factory.mktemp("mmact")
    write_checkpoint(folder, "tiny")
    return folder


@pytest.fixture(scope="session")
def model(checkpoint: Path) -> MMACT:
    from mmact_eval.policies.mmact import load

    loaded = load(checkpoint / "model", checkpoint / "quantizer", device="cpu", dtype="float32")
    encode, known = loaded.image_codes, dict[bytes, NDArray[np.int64]]()

    def image_codes(image: NDArray[np.uint8]) -> NDArray[np.int64]:
        """The tests look at the same images over and over, and encoding is what takes long."""
        return known[image.tobytes()] if image.tobytes() in known else known.setdefault(image.tobytes(), encode(image))

    loaded.image_codes = image_codes  # type: ignore[method-assign]
    return loaded


@pytest.fixture(scope="session")
def views() -> list[NDArray[np.uint8]]:
    """Three images, not square."""
    return list(np.random.default_rng(0).integers(0, 256, (3, 96, 128, 3), dtype=np.uint8))
