"""Real Ray clusters of several nodes on this machine, small and quick to notice that a node is gone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

_SETTINGS = {
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 1000,
    "health_check_failure_threshold": 10,
    "worker_niceness": 0,
}
_SMALL = {"include_dashboard": False, "object_store_memory": 100 * 2**20}


@contextmanager
def cluster_of(cpus: Sequence[int], **settings: object) -> Iterator[Any]:
    """A `ray.cluster_utils.Cluster` with a node for each number, which is how many CPUs it is said to have.

    Args:
        cpus: of each node; the first is the head.
        settings: of Ray itself, in addition.
    """
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    from ray.cluster_utils import Cluster

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    head = {"num_cpus": cpus[0], "_system_config": {**_SETTINGS, **settings}, **_SMALL}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for number in cpus[1:]:
            add_node(cluster, number)
        yield cluster
    finally:
        cluster.shutdown()


@contextmanager
def connected_cluster_of(cpus: Sequence[int]) -> Iterator[Any]:
    """The same, and this process is connected to it."""
    with cluster_of(cpus) as cluster:
        import ray

        ray.init(cluster.address, log_to_driver=False)
        try:
            yield cluster
        finally:
            ray.shutdown()


def add_node(cluster: Any, cpus: int, **more: Any) -> Any:
    """A further node."""
    return cluster.add_node(num_cpus=cpus, **_SMALL, **more)


def kill_node(cluster: Any, node: Any) -> None:
    """As if its power were cut."""
    cluster.remove_node(node, allow_graceful=False)
