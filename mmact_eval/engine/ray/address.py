"""Where the Ray cluster is that an engine is to work on. Nothing is imported for it, and a dead address takes no time:
Ray itself would knock at one for minutes."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from mmact_eval.errors import UsageError

LOCAL = "local"
_SECONDS = 5.0
_REMEDY = "start one with `ray start --head`, or use --ray-address local for one of this machine alone"


def chosen(asked: str) -> str:
    """``HOST:PORT`` of a cluster that answers, or `LOCAL`.

    Args:
        asked: ``auto``, ``local``, ``HOST:PORT`` or ``ray://…``; "" for RAY_ADDRESS, else the cluster that runs on this
            machine, else ``local``.

    Raises:
        UsageError: there is none, or it cannot be used.
    """
    told = os.environ.get("RAY_ADDRESS", "")
    address = told or asked if asked in ("", "auto") else asked
    if address == LOCAL:
        return LOCAL
    if address.startswith("ray://"):
        raise UsageError(
            f"{address} is Ray Client, whose proxy ends a run when its connection breaks and through which each query "
            "would go twice",
            "use HOST:PORT (6379, not 10001) on a node of the cluster, or `ray job submit -- mmact-eval run …`",
        )
    if address not in ("", "auto"):
        if not _answers(address):
            raise UsageError(f"no Ray cluster answers at {address}", _REMEDY)
        return address
    here = found_here()
    if here:
        return here
    if address == "auto":
        raise UsageError("no Ray cluster runs on this machine, and RAY_ADDRESS names none", _REMEDY)
    return LOCAL


def found_here() -> str:
    """``HOST:PORT`` of the cluster that this machine is a node of, as Ray notes it down; "" if none answers."""
    parent = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    try:
        address = Path(parent, "ray", "ray_current_cluster").read_text().strip()
    except OSError:
        return ""
    return address if _answers(address) else ""


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        return False
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_SECONDS).close()
    except (OSError, OverflowError):
        return False
    return True
