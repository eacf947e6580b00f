"""What doctor says of Ray clusters."""

from __future__ import annotations

import importlib.util
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mmact_eval import __version__
from mmact_eval.doctor import cluster

pytest.importorskip("ray", reason="the extra `ray` is not installed")


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where something answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = f"127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", found)
        yield found


def test_without_a_cluster_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_survey", lambda: pytest.fail("somebody was asked"))
    (check,) = cluster.examine()
    assert check.status == "ok"
    assert "no cluster runs here" in check.detail


def test_without_ray_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert list(cluster.examine()) == []


def test_nodes_are_told_with_what_they_lack(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    node: dict[str, Any] = {"host": "a", "address": "10.0.0.1", "cpus": 8.0, "gpus": 2.0, "memory": 2**34}
    fits = {**node, "version": __version__, "problem": ""}
    older = {**node, "version": "0.0.1", "problem": ""}
    lacks = {**node, "version": "", "problem": "ModuleNotFoundError: No module named 'mmact_eval'"}
    monkeypatch.setattr(cluster, "_survey", lambda: [fits, older, lacks])
    whole, *nodes = cluster.examine()
    assert whole.detail.endswith(f"cluster at {address} of 3 nodes")
    assert [check.status for check in nodes] == ["ok", "note", "note"]
    assert nodes[0].detail == f"8 CPUs, 2 GPUs, 16.0 GiB, mmact-eval {__version__}"
    assert "0.0.1" in nodes[1].detail
    assert "No module named" in nodes[2].detail


def test_a_cluster_that_does_not_answer_is_a_note(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    def silent() -> list[dict[str, Any]]:
        raise ValueError("no Ray cluster answers")

    monkeypatch.setattr(cluster, "_survey", silent)
    (check,) = cluster.examine()
    assert (check.status, check.group) == ("note", "Cluster")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    (check,) = cluster.examine()
    assert (check.status, check.detail.endswith("no Ray cluster answers at 127.0.0.1:1")) == ("note", True)
