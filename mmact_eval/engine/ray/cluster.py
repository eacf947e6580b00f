"""The Ray cluster that an engine works on: found or started, quiet, and left as it was."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from tqdm import tqdm

from mmact_eval.engine.ray.address import LOCAL, chosen
from mmact_eval.engine.ray.calls import signals_wait
from mmact_eval.engine.ray.node.leftovers import own_folder
from mmact_eval.errors import UsageError
from mmact_eval.machine.capacity import usable_cores
from mmact_eval.wording import counted

_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent home
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else each start prints a warning about the variable
    "RAY_DISABLE_DOCKER_CPU_WARNING": "1",
}
_QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
_SETTINGS_ALONE = {"worker_niceness": 0, "max_direct_call_object_size": 2**20}
"""Ray would let everybody else's processes go before workers, and take a detour with what two pictures are."""


@dataclass(frozen=True)
class Node:
    """A node that is alive.

    Attributes:
        identity: Ray's id.
        host, address: its name and IP address.
        cpus, gpus: how many Ray counts.
        memory: bytes.
    """

    identity: str
    host: str
    address: str
    cpus: float
    gpus: float
    memory: float

    def fits(self, worker_cpus: float) -> int:
        """How many workers it has room for when nothing else runs there."""
        return int(self.cpus / worker_cpus + 1e-6)


def nodes() -> list[Node]:
    """The nodes of the cluster that are alive."""
    found = []
    for entry in ray.nodes():
        if entry["Alive"]:
            has = entry["Resources"]
            host, address = entry["NodeManagerHostname"], entry["NodeManagerAddress"]
            counts = (float(has.get(name, 0)) for name in ("CPU", "GPU", "memory"))
            found.append(Node(entry["NodeID"], host, address, *counts))
    return found


@contextmanager
def connected(address: str, workers: int) -> Iterator[None]:
    """A cluster for the block: the one at the address, or one of this machine alone. Which one it is, is said.

    A connection that this process has already is used, and kept.

    Args:
        address: as `engine.ray.address.chosen` takes it.
        workers: of one CPU; a cluster of this machine alone has so many CPUs at least.

    Raises:
        UsageError: there is no such cluster, or it cannot be used from here.
    """
    if ray.is_initialized():
        say(f"Ray: {_described()} (connected already)")
        yield
        return
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    with _nothing_printed():
        yield from _while_connected(chosen(address), workers)


def _while_connected(address: str, workers: int) -> Iterator[None]:
    folder = _connect(address, workers)
    try:
        say(f"Ray: {'a cluster of this machine alone, ' if folder else ''}{_described()}")
        yield
    finally:
        with signals_wait():
            ray.shutdown()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def say(text: str) -> None:
    """A line on the terminal, above the bar if there is one."""
    with suppress(OSError):
        tqdm.write(text, file=sys.stderr)


def _described() -> str:
    alive = nodes()
    cpus, gpus = sum(node.cpus for node in alive), sum(node.gpus for node in alive)
    has = ", ".join(filter(None, (f"{cpus:g} CPUs", f"{gpus:g} GPUs" if gpus else "")))
    return f"{counted(len(alive), 'node')} at {ray.get_runtime_context().gcs_address} with {has}"


def _connect(address: str, workers: int) -> Path | None:
    """Connect; the folder of a cluster that was started for it."""
    if address != LOCAL:
        try:
            with signals_wait():
                ray.init(address=address, **_QUIET)
            return None
        except (RuntimeError, ValueError, OSError) as error:  # other versions of Ray or Python, no token
            raise UsageError(
                f"the Ray cluster at {address} cannot be used: {_first_line(error)} (if it asks for a token, see "
                "docs/cluster.md)"
            ) from error
    folder = own_folder(for_sockets=True)
    try:
        with signals_wait():
            cpus = max(usable_cores(), workers)
            more = {"_temp_dir": str(folder), "_system_config": _SETTINGS_ALONE}
            ray.init(address=LOCAL, num_cpus=cpus, include_dashboard=False, **more, **_QUIET)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, Exception):
            raise UsageError(f"Ray does not start on this machine: {_first_line(error)}") from error
        raise
    return folder


def _first_line(error: BaseException) -> str:
    lines: Sequence[str] = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


@contextmanager
def _nothing_printed() -> Iterator[None]:
    """Ray prints to standard output what happens to nodes, pages of it, and has no setting against it."""
    before = getattr(ray._private.worker, "print_to_stdstream", None)
    if before is None:
        yield
        return
    ray._private.worker.print_to_stdstream = lambda *data, **how: None
    try:
        yield
    finally:
        ray._private.worker.print_to_stdstream = before
