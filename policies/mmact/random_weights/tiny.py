"""The checkpoint that stands in where none is given: tiny, random weights, made once and kept in a cache folder."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from mmact_eval.errors import UsageError
from mmact_eval.machine.user_folders import CACHE_VARIABLE, cache_folder

TINY = "mmact-tiny-random"

# The modules that decide what is written: after a change in one of them, a checkpoint from before is not used again.
_WRITERS = {
    "llada": ("config", "conv_layers", "quantizer", "transformer", "vocabulary"),
    "llada/random_weights": ("new_tokenizer", "weights"),
    "mmact": ("config", "vocabulary"),
    "mmact/random_weights": ("new_checkpoint",),
}


def tiny_checkpoint() -> Path:
    """A folder with `model` and `quantizer`; written first if it is not there yet (60 MB, some seconds).

    Raises:
        UsageError: it cannot be written.
    """
    folder = cache_folder() / f"{TINY}-{_version()}"
    if folder.is_dir():
        return folder
    from mmact_eval.policies.mmact.random_weights.new_checkpoint import write_checkpoint

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{TINY}-") as scratch:
            made = Path(scratch) / "made"
            write_checkpoint(made, "tiny")
            made.rename(folder)  # only what is whole gets the name
    except OSError as error:
        if not folder.is_dir():  # else another process was quicker
            raise UsageError(
                f"cannot write {TINY} to {folder.parent} ({error}); set {CACHE_VARIABLE} to a folder that can be "
                "written to, or give policy mmact a checkpoint"
            ) from None
    return folder


def _version() -> str:
    root = Path(__file__).parents[2]
    files = [root / folder / f"{name}.py" for folder, names in _WRITERS.items() for name in names]
    sources = b"".join(file.read_bytes() for file in files)
    return hashlib.blake2b(sources, digest_size=4).hexdigest()
