"""PyTorch, if a policy uses it, and the modules that the policy holds, wherever in it they are."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from mmact_eval.profiling.row import Weights

_DEEPEST = 10
_MOST = 20_000
"""Objects that are looked at: a policy may hold a data set."""

_LEAVES = (str, bytes, int, float, complex, bool, type(None), type, ModuleType, FunctionType, np.ndarray, np.generic)


def pytorch() -> Any:
    """PyTorch if something has imported it, else None. Whoever answers with its modules has."""
    return sys.modules.get("torch")


def modules_in(thing: object) -> dict[str, Any]:
    """Path → the outermost PyTorch modules that an object holds, in attributes, lists and maps, at any depth."""
    torch = pytorch()
    if torch is None:
        return {}
    found: dict[str, Any] = {}
    seen: set[int] = set()
    todo: list[tuple[str, object, int]] = [("", thing, 0)]
    while todo and len(seen) < _MOST:
        path, one, depth = todo.pop(0)
        if id(one) in seen or isinstance(one, _LEAVES):
            continue
        seen.add(id(one))
        if isinstance(one, torch.nn.Module):
            found[path or type(one).__name__] = one
        elif depth < _DEEPEST and not isinstance(one, torch.Tensor):
            todo += [(f"{path}.{name}" if path else name, part, depth + 1) for name, part in _parts(one)]
    return found


def _parts(thing: object) -> Iterator[tuple[str, object]]:
    if isinstance(thing, Mapping):
        yield from ((str(key), value) for key, value in list(thing.items()))
    elif isinstance(thing, list | tuple | set | frozenset):
        yield from ((str(number), value) for number, value in enumerate(thing))
    elif isinstance(thing, MethodType):
        yield "self", thing.__self__
    else:
        yield from list(getattr(thing, "__dict__", {}).items())
        for kind in type(thing).__mro__:
            slots = kind.__dict__.get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                if hasattr(thing, name):
                    yield name, getattr(thing, name)


def weights_in(policy: object) -> Weights | None:
    """The parameters of the policy's modules, each counted once; None if it holds none."""
    found = modules_in(policy)
    parts: dict[str, int] = {}
    every: dict[int, Any] = {}
    for path, module in found.items():
        new = {id(weight): weight for weight in module.parameters() if id(weight) not in every}
        parts[path] = sum(weight.numel() for weight in new.values())
        every |= new
    if not every:
        return None
    types, devices = Counter[str](), Counter[str]()
    for weight in every.values():
        types[str(weight.dtype).removeprefix("torch.")] += weight.numel()
        devices[str(weight.device)] += weight.numel()
    return Weights(
        count=sum(parts.values()),
        bytes=sum(weight.numel() * weight.element_size() for weight in every.values()),
        parts={path: count for path, count in parts.items() if count},
        dtypes=dict(types.most_common()),
        device=", ".join(name for name, _ in devices.most_common()),
        found_by="modules",
    )
