"""The machine a run was made on, and the command that was typed."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

_RECORDED_PACKAGES = ("numpy", "gymnasium", "torch", "transformers", "mujoco", "robosuite", "sapien")


def machine() -> dict[str, Any]:
    """The host, its processor, memory and GPUs, and the versions of packages that matter."""
    return {
        "host": platform.node(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "gpus": gpus(),
        "packages": package_versions(),
        "git": _git_commit(),
    }


def package_versions() -> dict[str, str]:
    """Versions of the packages that matter for results, of those installed."""
    found = {}
    for name in _RECORDED_PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def gpus() -> list[str]:
    """Names of the NVIDIA GPUs, [] if there is none or no driver."""
    if shutil.which("nvidia-smi") is None:
        return []
    asked = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in answer.stdout.splitlines() if line.strip()]


def _cpu_model() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as stream:
            for line in stream:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor()


def _git_commit() -> str:
    """The commit of the working folder's checkout, with ``+dirty`` if it has changes; "" outside of one."""
    try:
        asked = ["git", "describe", "--always", "--dirty=+dirty", "--abbrev=12", "--exclude=*"]
        answer = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip()


def command_line() -> list[str]:
    """The command as typed, the program by its name alone, addresses without passwords."""
    name = os.path.basename(sys.argv[0])
    program = ["python", "-m", "mmact_eval"] if name == "__main__.py" else [name]
    return [*program, *map(without_passwords, sys.argv[1:])]


def without_passwords(text: str) -> str:
    """``ws://user:password@host`` → ``ws://host``: run folders are shown around."""
    return re.sub(r"(?<=://)[^/\s]*@", "", text)
