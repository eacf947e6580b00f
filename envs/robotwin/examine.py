"""What `mmact-eval doctor` says about RoboTwin: what is there, what is missing and how to get it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from mmact_eval.envs.robotwin.install import installation, vulkan
from mmact_eval.envs.robotwin.simulator.runtime import layout_of
from mmact_eval.errors import UsageError
from mmact_eval.machine.user_folders import expanded
from mmact_eval.protocols import Check

_GROUP = "RoboTwin"
_PACKAGES = ("sapien", "mplib", "toppra", "transforms3d", "trimesh")
_ASSETS = {
    installation.ASSET_LIST: "objects",
    "assets/background_texture": "background textures",
    "assets/embodiments/aloha-agilex/config.yml": "the robot aloha-agilex",
}


def examine(deep: bool) -> Iterator[Check]:
    """Everything the embedded mode needs, then the checkout if one is named.

    Args:
        deep: whether the Vulkan driver has to draw.
    """
    yield from _embedded(deep)
    root = os.environ.get("ROBOTWIN_ROOT", "")
    if root:
        yield from _checkout(expanded(root))
    else:
        yield Check(_GROUP, "checkout", "note", "none named", "set ROBOTWIN_ROOT for the suites that need its assets")


def _embedded(deep: bool) -> Iterator[Check]:
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        detail = f"not installed: {', '.join(missing)}"
        yield Check(_GROUP, "simulator", "note", detail, "pip install 'mmact-eval[robotwin]'")
        return
    versions = installation.versions_under("")
    yield Check(_GROUP, "simulator", "ok", ", ".join(f"{name} {version}" for name, version in versions.items()))
    if installation.runtime_root() is None:
        yield Check(_GROUP, "task code", "note", f"{installation.RUNTIME} is not here", vulkan.SETUP)
    else:
        yield Check(_GROUP, "task code", "ok", f"{installation.RUNTIME} {installation.RUNTIME_VERSION}")
    try:
        driver = vulkan.choose()
    except UsageError:
        yield Check(_GROUP, "Vulkan", "note", "no driver", vulkan.SETUP)
        return
    problem = vulkan.probe(driver, draw=deep)
    if problem:
        yield Check(_GROUP, "Vulkan", "note", f"{driver.name} fails: {problem}", vulkan.SETUP)
    else:
        yield Check(_GROUP, "Vulkan", "ok", driver.name)


def _checkout(root: Path) -> Iterator[Check]:
    layout = layout_of(root)
    if not layout:
        yield Check(_GROUP, "checkout", "fail", f"{root} is no RoboTwin 2.0 checkout", "set ROBOTWIN_ROOT to one")
        return
    yield Check(_GROUP, "checkout", "ok", f"{installation.commit(root)} in {root}")
    for path, what in _ASSETS.items():
        if not (root / path).exists():
            yield Check(_GROUP, "assets", "note", f"{what} missing ({path})", installation.DOWNLOAD)
    python = os.environ.get("ROBOTWIN_PYTHON", "")
    try:
        versions = installation.versions_under(python)
    except UsageError as error:
        yield Check(_GROUP, "interpreter", "fail", str(error), "set ROBOTWIN_PYTHON to the checkout's Python")
        return
    sapien = versions.get("sapien", "missing")
    pinned = sapien == installation.PINNED_SAPIEN
    todo = "" if pinned else f"published numbers were made with {installation.PINNED_SAPIEN}; name its Python with ROBOTWIN_PYTHON"  # fmt: skip  # noqa: E501
    yield Check(_GROUP, "sapien", "ok" if pinned else "note", sapien, todo)
    yield _curobo(python)


def _curobo(python: str) -> Check:
    """Whether the planner of the published numbers can work."""
    if shutil.which("nvidia-smi") is None:
        return Check(_GROUP, "cuRobo", "note", "needs an NVIDIA GPU", "use --set env_args.planner=mplib")
    import sys

    code = "import importlib.util as u, sys; sys.exit(u.find_spec('curobo') is None)"
    done = subprocess.run([python or sys.executable, "-c", code], capture_output=True, timeout=60, check=False)
    if done.returncode == 0:
        return Check(_GROUP, "cuRobo", "ok", "installed")
    return Check(_GROUP, "cuRobo", "note", "not installed", "see RoboTwin's installation, or use the planner mplib")
