"""ViT + MLP, a light baseline of about 2 million parameters: what a model without one sequence for everything can do.

Each view is looked at by a small vision transformer, together with the state and the words of the instruction; an MLP
makes a chunk of actions of what it saw. Trained by `mmact-eval train vit-mlp`. Importing this package does not import
PyTorch; `load` does.

config.py    what config.json says; words.py, instructions as numbers; inputs.py, states and actions
model.py     the network; loading.py, from a folder to it
robots.py    whose cameras, state and actions; acting.py and policy.py, the policy ``vit-mlp``
training/    how it is trained
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from mmact_eval.errors import UsageError

if TYPE_CHECKING:
    from mmact_eval.policies.vit_mlp.loading import Loaded

__all__ = ["load", "require_packages"]

PACKAGES = ("torch", "safetensors")


def load(checkpoint: str | Path, device: str = "auto") -> Loaded:
    """Load a model for inference, in float32.

    Args:
        checkpoint: the folder with config.json and model.safetensors, or the ``--out`` of a training.
        device: ``auto`` (the first GPU, else the CPU), ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        UsageError: a package, file or tensor is missing or does not fit, or the device does not exist.
    """
    require_packages()
    from mmact_eval.policies.vit_mlp.loading import load_model

    return load_model(checkpoint, device)


def require_packages() -> None:
    """Look for the packages that the model needs, without importing them.

    Raises:
        UsageError: some are not installed; says what to install.
    """
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f'ViT + MLP needs {", ".join(missing)}: pip install "mmact-eval[mmact]"')
