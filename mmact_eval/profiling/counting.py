"""FLOPs and bytes of a call, counted operation by operation as PyTorch comes to them.

FLOPs are those of `torch.utils.flop_counter`: products of matrices, attention and convolutions; what is done element by
element is not counted. It knows no fused attention of CPUs, which is told to it here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from mmact_eval.profiling.row import Work

_ATTENTION = ("attention", "bmm")
_BATCHED = ("bmm", "baddbmm")
_NOT_TOUCHED = frozenset({"empty", "empty_like", "empty_strided", "new_empty", "resize_", "set_"})
"""Operations that get memory and neither read nor write it."""

_SOME_ROWS = frozenset({"embedding", "index_select", "gather", "index", "_unsafe_index"})
"""Operations that read of their first argument only what they hand out."""


def count(torch: Any, call: Callable[[], object]) -> Work:
    """What a call does.

    Args:
        torch: PyTorch.
        call: is made once. Whatever it raises is raised.
    """
    counters: Any = importlib.import_module("torch.utils.flop_counter")
    moved = _watcher(torch)
    mha = torch.backends.mha
    fast = mha.get_fastpath_enabled()
    mha.set_fastpath_enabled(False)  # one kernel for a whole encoder layer, of which the counter knows nothing
    try:
        with counters.FlopCounterMode(display=False, custom_mapping=_unknown_to(torch, counters)) as flops, moved:
            call()
    finally:
        mha.set_fastpath_enabled(fast)
    counts = {str(op): number for op, number in flops.get_flop_counts().get("Global", {}).items()}
    return _sorted(counts, moved.linear, moved.bytes)


def _sorted(flops: Mapping[str, int], linear: int, moved: int) -> Work:
    """FLOPs by kind; `linear` are those of linear layers among the batched products."""
    attention = sum(number for op, number in flops.items() if any(word in op for word in _ATTENTION)) - linear
    convolutions = sum(number for op, number in flops.items() if "conv" in op)
    return Work(sum(flops.values()) - attention - convolutions, attention, convolutions, moved)


def _unknown_to(torch: Any, counters: Any) -> dict[Any, Callable[..., int]]:
    """Operation → its FLOPs, of those that the counter does not know."""
    fused = getattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu", None)

    def attention(query: Any, key: Any, value: Any, *args: Any, out_shape: Any = None, **kwargs: Any) -> int:
        return int(counters.sdpa_flop_count(query, key, value))

    return {} if fused is None or fused in counters.flop_registry else {fused: attention}


def _watcher(torch: Any) -> Any:
    mode: Any = importlib.import_module("torch.utils._python_dispatch").TorchDispatchMode
    trees = importlib.import_module("torch.utils._pytree")

    def size(of: Any) -> int:
        tensors = [one for one in trees.tree_leaves(of) if isinstance(one, torch.Tensor)]
        # A tensor that was expanded has fewer numbers than places.
        return sum(min(one.numel() * one.element_size(), one.untyped_storage().nbytes()) for one in tensors)

    class Watcher(mode):
        """Adds up the bytes that operations read and write, and the FLOPs of linear layers that are batched products:
        one matrix is the same for the whole batch."""

        bytes = 0
        linear = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            with self:
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
            out = func(*args, **kwargs)
            name = func._schema.name.partition("::")[2]
            if name in _BATCHED:
                left, right = args[-2:]
                if 0 in (left.stride(0), right.stride(0)) and left.shape[0] > 1:
                    self.linear += 2 * left.numel() * right.shape[-1]
            if name in _SOME_ROWS:
                self.bytes += 2 * size(out) + size(args[1:])
            elif name not in _NOT_TOUCHED and not func.is_view:
                self.bytes += size((args, kwargs)) + size(out)
            return out

    return Watcher()
