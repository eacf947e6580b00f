"""Looks at a cluster now and then, and says what a run without any worker waits for."""

from __future__ import annotations

import time

from mmact_eval.engine.ray import cluster

_LOOK = 2.0
"""Seconds between two looks."""

_PATIENCE = 30.0
"""Seconds without any worker after which it is said what they wait for, once."""


class Waiting:
    """The engine's patience with a cluster that has no room for workers."""

    def __init__(self, worker_cpus: float) -> None:
        """`worker_cpus`: what a worker is counted as."""
        self._worker_cpus = worker_cpus
        self._looked_at = self._alone_since = time.monotonic()
        self._told = False

    def look(self, any_ready: bool) -> bool:
        """Whether it is time to see if the cluster has grown; `any_ready` says whether any worker can work."""
        now = time.monotonic()
        if now - self._looked_at < _LOOK:
            return False
        self._looked_at = now
        if any_ready:
            self._alone_since = now
        elif now - self._alone_since > _PATIENCE and not self._told:
            self._told = True
            cluster.say(
                "Ray: no worker is ready yet: each is being started, which takes a while on a busy node, or waits for "
                f"a node with {self._worker_cpus:g} of Ray's CPUs free (--worker-cpus)"
            )
        return True
