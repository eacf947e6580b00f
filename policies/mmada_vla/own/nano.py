"""The small checkpoint that comes with the package: trained on LIBERO by `mmact-eval train`, see docs/training.md."""

from __future__ import annotations

from pathlib import Path

NANO = "mmada-nano"
"""Of libero-object; what acts on LIBERO if nobody names a checkpoint."""

STANDS_IN = (
    "Policy mmada-vla has no checkpoint: this is mmada-nano, a small model trained on libero-object "
    "(docs/training.md). Published weights (16 GB) run with --policy-args checkpoint=owner/name, of the authors' "
    "collection yliu-cs/mmada-vla on the Hugging Face hub (docs/mmada-vla.md)."
)


def nano_checkpoint() -> Path:
    """The folder with ``model`` and ``quantizer``."""
    return Path(__file__).parent / "nano"
