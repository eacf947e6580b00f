"""Which GPUs CUDA shows to this process, and which of them a part of it should have. Nothing of CUDA is loaded."""

from __future__ import annotations

import math
import os
import re
import subprocess
from collections.abc import Sequence

from mmact_eval.errors import UsageError
from mmact_eval.wording import counted

_LISTED = re.compile(r"^\s*(GPU|MIG)\b.*\(UUID: ([^)]+)\)", re.MULTILINE)


def visible() -> list[str]:
    """Names of the GPUs (or slices of GPUs) that CUDA shows to this process, as ``CUDA_VISIBLE_DEVICES`` has them."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return _listed(_nvidia_smi())
    names = [name.strip() for name in chosen.split(",")]
    shown = next((k for k, name in enumerate(names) if not name or name.startswith("-")), len(names))
    return names[:shown]


def _nvidia_smi() -> str:
    try:
        answer = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout if answer.returncode == 0 else ""


def _listed(text: str) -> list[str]:
    """Of ``nvidia-smi -L``; where a GPU is sliced, its slices."""
    found: list[str] = []
    for kind, uuid in _LISTED.findall(text):
        if kind == "MIG" and found and found[-1].startswith("GPU"):
            found.pop()
        found.append(uuid)
    return found


def fitting(each: float, gpus: Sequence[str]) -> int:
    """How many processes that want so many GPUs each there are GPUs for; at least one."""
    return max(1, math.floor(len(gpus) / each + 1e-9)) if each > 0 else 1


def share(number: int, each: float, gpus: Sequence[str]) -> list[str]:
    """The GPUs of one of several processes; they begin anew where there are more processes than GPUs.

    Args:
        number: which process, from 0.
        each: how many GPUs it wants: a whole number, or a fraction if several share one.
        gpus: there are.

    Raises:
        UsageError: there are not so many.
    """
    if each > 1 and each != int(each):
        raise UsageError(f"--policy-gpus is a whole number or a fraction of one GPU, not {each:g}.")
    if not gpus or each <= 0:
        return []
    if each < 1:
        return [gpus[math.floor(number * each + 1e-9) % len(gpus)]]
    if each > len(gpus):
        raise UsageError(f"--policy-gpus {each:g}: CUDA shows {counted(len(gpus), 'GPU')} here.")
    sets = len(gpus) // int(each)
    first = number % sets * int(each)
    return list(gpus[first : first + int(each)])
