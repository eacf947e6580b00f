"""The tensors in a checkpoint's folder, whichever of the usual files they are in."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from mmact_eval.errors import UsageError

_INDICES = ("*.safetensors.index.json", "pytorch_model.bin.index.json")
"""Files that say which shard a tensor is in; shards in PyTorch's older format are read if there are no others."""

_WRAPPERS = ("state_dict", "model_state_dict", "model", "module")
"""Under which of these names training loops put a model's tensors, beside what else they save."""


@dataclass(frozen=True)
class Stored:
    """A tensor in a file.

    Attributes:
        shape: its sizes.
        read: gets it; for safetensors, only then is it read.
    """

    shape: tuple[int, ...]
    read: Callable[[], Tensor]


def find_tensors(folder: Path) -> dict[str, Stored]:
    """Name → tensor, of all weights in a folder.

    Raises:
        UsageError: there are none, or a file is missing, damaged or holds something else.
    """
    tensors: dict[str, Stored] = {}
    for path in _files(folder):
        tensors.update(_in_pytorch_file(path) if path.suffix == ".bin" else _in_safetensors(path))
    return tensors


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Whatever a broken file makes the readers raise, as one sentence."""
    try:
        yield
    except torch.cuda.OutOfMemoryError:
        raise
    except (SafetensorError, OSError, ValueError, RuntimeError, EOFError, KeyError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UsageError(f"cannot read the weights in {folder}: {first}") from None


def some(names: Sequence[str], limit: int = 3) -> str:
    """The first of some names, and how many more there are."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def _in_safetensors(path: Path) -> dict[str, Stored]:
    try:
        file: Any = safe_open(path, framework="pt", device="cpu")
    except SafetensorError as error:
        raise UsageError(f"{path} is damaged or incomplete ({error}); fetch it again") from None

    def reader(name: str) -> Callable[[], Tensor]:
        return lambda: file.get_tensor(name)

    return {name: Stored(tuple(file.get_slice(name).get_shape()), reader(name)) for name in file.keys()}  # noqa: SIM118


def _in_pytorch_file(path: Path) -> dict[str, Stored]:
    """What is no tensor (an epoch, an optimizer's state) is left out."""
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = (
            f"holds more than tensors and plain numbers ({found[1]})"
            if found
            else "is damaged, or no file of PyTorch's"
        )
        raise UsageError(
            f"{path} {what}; nothing is loaded that might run code: save its tensors by name as model.safetensors"
        ) from None
    state = saved
    if isinstance(saved, Mapping):
        state = next((saved[name] for name in _WRAPPERS if isinstance(saved.get(name), Mapping)), saved)
    named = state.items() if isinstance(state, Mapping) else ()
    tensors = {name: value for name, value in named if isinstance(name, str) and isinstance(value, Tensor)}
    if not tensors:
        within = f" with {some([str(name) for name in saved])}" if isinstance(saved, Mapping) else ""
        raise UsageError(f"{path} holds no tensors by name, but a {type(saved).__name__}{within}")

    def reader(tensor: Tensor) -> Callable[[], Tensor]:
        return lambda: tensor

    return {name: Stored(tuple(tensor.shape), reader(tensor)) for name, tensor in tensors.items()}


def _files(folder: Path) -> list[Path]:
    """The weight files: the shards an index names, or one safetensors file, or PyTorch's older .bin likewise."""
    safetensors = sorted(folder.glob("*.safetensors"))
    for pattern in _INDICES:
        indices = sorted(folder.glob(pattern))
        if indices and (pattern == _INDICES[0] or not safetensors):
            return _shards(indices[0])
    if len(safetensors) > 1:
        raise UsageError(f"{folder} has {len(safetensors)} safetensors files and no index (*.safetensors.index.json)")
    files = safetensors or sorted(folder.glob("pytorch_model.bin"))
    if not files:
        raise UsageError(f"{folder} has no weights (*.safetensors, or pytorch_model*.bin with an index or alone)")
    return files


def _shards(index: Path) -> list[Path]:
    try:
        data = json.loads(index.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"cannot read {index}: {error}") from None
    named = data.get("weight_map") if isinstance(data, dict) else None
    if not isinstance(named, dict) or not named or not all(isinstance(file, str) for file in named.values()):
        raise UsageError(f'{index} does not say which file each tensor is in: it has no "weight_map" of names to files')
    files = [index.parent / name for name in sorted(set(named.values()))]
    missing = [path.name for path in files if not path.is_file()]
    if missing:
        raise UsageError(f"{index.parent} lacks {some(missing)}, which {index.name} names")
    return files
