"""`mmact-eval setup robotwin`: bring what pip cannot."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from mmact_eval.envs.robotwin.install import installation, vulkan
from mmact_eval.errors import UsageError
from mmact_eval.machine.user_folders import for_writing

_PIP_SECONDS = 900.0


def set_up(say: Callable[[str], None]) -> None:
    """Install the task code beside its pins, write the synthetic robot, find or unpack a Vulkan driver.

    Everything goes into the cache folder; what is there already is left alone.

    Raises:
        UsageError: something cannot be brought.
    """
    if importlib.util.find_spec("sapien") is None:
        raise UsageError("the simulator itself comes by pip: pip install 'mmact-eval[robotwin]'")
    if installation.runtime_root() is None:
        say(f"Installing {installation.RUNTIME} {installation.RUNTIME_VERSION} …")
        install_runtime(installation.runtime_folder())
    say(f"Task code: {installation.RUNTIME} {installation.RUNTIME_VERSION}")
    say(f"Synthetic robot: {installation.robot_folder()}")
    driver = vulkan.set_up(say)
    say(f"Vulkan: {driver.name}")


def install_runtime(folder: Path) -> None:
    """Put the task code into a folder of its own.

    Its pins (CUDA's torch, an older sapien and scipy) would take a working environment apart, so it is installed
    without them, and where it cannot disturb the other packages.

    Raises:
        UsageError: pip fails.
    """
    with tempfile.TemporaryDirectory(dir=for_writing(folder.parent)) as fresh:
        target = Path(fresh) / "runtime"
        wanted = f"{installation.RUNTIME}=={installation.RUNTIME_VERSION}"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), wanted]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_PIP_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UsageError(f"pip cannot install {wanted}: {error}") from error
        if done.returncode != 0:
            lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
            raise UsageError(f"pip cannot install {wanted}: {lines[-1] if lines else 'it says nothing'}")
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(target, folder)
