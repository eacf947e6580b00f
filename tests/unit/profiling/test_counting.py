"""Modules are found wherever a policy keeps them, and what they do is counted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mmact_eval.profiling.modules import modules_in, weights_in

torch = pytest.importorskip("torch")


def encoder(width: int = 32, layers: int = 2) -> Any:
    layer = torch.nn.TransformerEncoderLayer(width, 4, 2 * width, batch_first=True)
    return torch.nn.TransformerEncoder(layer, layers).eval()


def test_modules_are_found_in_attributes_lists_maps_slots_and_methods() -> None:
    class Slotted:
        __slots__ = ("net",)

        def __init__(self) -> None:
            self.net = torch.nn.Linear(2, 3)

    class Bound:
        def __init__(self) -> None:
            self.net = torch.nn.Linear(4, 5)

        def call(self) -> None: ...

    holder = SimpleNamespace(parts=[{"slotted": Slotted()}], ask=Bound().call, numbers=[1, 2], itself=None)
    holder.itself = holder
    found = modules_in(holder)
    assert set(found) == {"parts.0.slotted.net", "ask.self.net"}
    weights = weights_in(holder)
    assert weights is not None
    assert (weights.count, weights.bytes, weights.device) == (9 + 25, 4 * (9 + 25), "cpu")


def test_weights_that_two_modules_share_count_once() -> None:
    one = torch.nn.Linear(3, 3)
    weights = weights_in(SimpleNamespace(a=one, b=torch.nn.Sequential(one)))
    assert weights is not None
    assert (weights.count, weights.parts) == (12, {"a": 12})


def test_what_holds_no_module_has_no_weights() -> None:
    assert weights_in(SimpleNamespace(a=[1, "x"])) is None


def test_a_fused_encoder_layer_is_counted_like_its_parts() -> None:
    from mmact_eval.profiling.counting import count

    net, tokens, width = encoder(), torch.zeros(3, 10, 32), 32
    with torch.inference_mode():
        work = count(torch, lambda: net(tokens))
    weights = 2 * (4 * width * width + 2 * width * 2 * width)
    assert work.products == 3 * 10 * 2 * weights
    assert work.attention == 3 * 2 * 4 * 10 * 10 * width
    assert 0.0 < work.attention_share < 0.5
    assert torch.backends.mha.get_fastpath_enabled()


def test_bytes_are_what_operations_read_and_write() -> None:
    from mmact_eval.profiling.counting import count

    left, right = torch.zeros(10, 20), torch.zeros(20, 30)
    work = count(torch, lambda: (left @ right).view(300).t())
    assert (work.flops, work.moved) == (2 * 10 * 20 * 30, 4 * (10 * 20 + 20 * 30 + 10 * 30))
    table = torch.nn.Embedding(100_000, 8)
    with torch.inference_mode():
        rows = count(torch, lambda: table(torch.zeros(5, dtype=torch.long)))
    assert rows.moved < 1000  # the rows, not the table


def test_an_error_in_the_call_leaves_everything_as_it_was() -> None:
    from mmact_eval.profiling.counting import count

    with pytest.raises(RuntimeError, match="shapes"):
        count(torch, lambda: torch.zeros(2, 3) @ torch.zeros(2, 3))
    assert torch.backends.mha.get_fastpath_enabled()
