"""What a Ray cluster can do, if Ray is installed and one runs here. Where none does, this takes no time."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from mmact_eval import __version__
from mmact_eval.errors import UsageError
from mmact_eval.protocols import Check

GROUP = "Cluster"
_SECONDS = 90.0
_GIB = 2**30


def examine() -> Iterator[Check]:
    """The nodes of the cluster that a run with ``--engine ray`` would use; nothing where Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        return
    from mmact_eval.engine.ray.address import LOCAL, chosen  # which there is with Ray only

    try:
        installed = version("ray")
    except PackageNotFoundError:
        installed = "of unknown version"
    try:
        address = chosen("")
    except UsageError as error:  # of RAY_ADDRESS
        yield Check(GROUP, "Ray", "note", f"{installed}; {error.problem}", error.remedy)
        return
    if address == LOCAL:
        yield Check(GROUP, "Ray", "ok", f"{installed}; no cluster runs here: --engine ray starts one on this machine")
        return
    try:
        survey = _survey()
    except (ValueError, subprocess.SubprocessError, OSError) as error:
        detail = f"{installed}; the cluster at {address} cannot be asked: {error}"
        yield Check(GROUP, "Ray", "note", detail, "see `ray status`; --ray-address local does without it")
        return
    yield Check(GROUP, "Ray", "ok", f"{installed}; cluster at {address} of {len(survey)} nodes")
    for node in survey:
        yield _node(node)


def _survey() -> list[dict[str, Any]]:
    """What `engine.ray.survey` finds, in a process of its own.

    Raises:
        ValueError: it finds nothing, and says why.
    """
    command = [sys.executable, "-m", "mmact_eval.engine.ray.survey"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
    if done.returncode:
        raise ValueError((done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1])
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


def _node(node: dict[str, Any]) -> Check:
    name = f"node {node['host']} ({node['address']})"
    gpus = f", {node['gpus']:g} GPUs" if node["gpus"] else ""
    has = f"{node['cpus']:g} CPUs{gpus}, {node['memory'] / _GIB:.1f} GiB"
    if node["problem"]:
        return Check(GROUP, name, "note", f"{has}; {node['problem']}", f"install mmact-eval {__version__} there")
    if node["version"] != __version__:
        other = f"{has}; mmact-eval {node['version']}, here {__version__}"
        return Check(GROUP, name, "note", other, "install the same on all nodes: runs leave it out")
    return Check(GROUP, name, "ok", f"{has}, mmact-eval {node['version']}")
