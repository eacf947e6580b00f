"""`--workers auto`: cores, and memory where it is known what a worker takes."""

from __future__ import annotations

import pytest

from mmact_eval import registry
from mmact_eval.machine import workers
from mmact_eval.optional import TellsMemory


@pytest.mark.parametrize(
    ("each", "left", "count", "why"),
    [
        (0.0, 1.0, 16, "as many as there are cores (16)"),
        (1.8, None, 16, "as many as there are cores (16)"),
        (1.8, 64.0, 16, "as many as there are cores (16)"),
        (1.8, 12.0, 6, "16 cores, but memory for 6 (12.0 GiB are left, one takes about 1.8)"),
        (1.8, 0.5, 1, "16 cores, but memory for 1 (0.5 GiB are left, one takes about 1.8)"),
    ],
)
def test_no_more_workers_than_cores_and_memory(
    monkeypatch: pytest.MonkeyPatch, each: float, left: float | None, count: int, why: str
) -> None:
    monkeypatch.setattr(workers, "usable_cores", lambda: 16)
    monkeypatch.setattr(workers, "usable_memory", lambda: 128 * 2**30)
    monkeypatch.setattr(workers, "memory_left_gib", lambda: left)
    assert workers.fitting(each) == (count, why)


def test_a_container_has_no_more_than_it_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "usable_cores", lambda: 16)
    monkeypatch.setattr(workers, "usable_memory", lambda: 8 * 2**30)
    monkeypatch.setattr(workers, "memory_left_gib", lambda: 500.0)
    assert workers.fitting(2.0)[0] == 3


@pytest.mark.parametrize("name", ["libero", "calvin", "robotwin"])
def test_simulators_say_what_they_take(name: str) -> None:
    plugin = registry.env_plugin(name)
    assert isinstance(plugin, TellsMemory)
    assert 0 < plugin.worker_memory_gib(1) < plugin.worker_memory_gib(4) < 10
