"""The small checkpoints that come with the package: trained on LIBERO by `mmact-eval train`, see docs/training.md.

They share an image tokenizer: ``nano/quantizer`` and a folder ``nano/VARIANT`` for each model.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

NANO = "mmact-nano"
NANO_VARIANT = "text-image"
"""Which one acts if no variant is named."""

_FOLDER = Path(__file__).parent / "nano"
_IMAGES = "quantizer"


def nano_checkpoint(variant: str) -> tuple[Path, Path]:
    """The folders of model and image tokenizer; there is one of each of `options.VARIANTS`."""
    return _FOLDER / variant, _FOLDER / _IMAGES


def nano_version(variant: str) -> str:
    """A short hash of its weights: a run is not continued with other ones."""
    summed = hashlib.blake2b(digest_size=4)
    for folder in nano_checkpoint(variant):
        for file in sorted(folder.glob("*.safetensors")):
            summed.update(file.read_bytes())
    return summed.hexdigest()
