"""The batch system that a process runs in, as far as it says so."""

from __future__ import annotations

import os
from collections.abc import Mapping


def requeue_command(environment: Mapping[str, str] = os.environ) -> str:
    """The command that lets the Slurm job of this process start again, ``scontrol requeue 12_3``; "" outside of one."""
    array, task = environment.get("SLURM_ARRAY_JOB_ID", ""), environment.get("SLURM_ARRAY_TASK_ID", "")
    job = f"{array}_{task}" if array and task else environment.get("SLURM_JOB_ID", "")
    return f"scontrol requeue {job}" if job else ""
