"""What a run was made with: the protocol fingerprint, and the machine it ran on.

The fingerprint holds everything that can change a result (protocol, policy, seed, simulator versions). Two runs are
comparable when theirs are equal; a run folder is only continued under its own. The machine is recorded beside it.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from mmact_eval import __version__
from mmact_eval.identity.environment import environment_parts
from mmact_eval.identity.made_policy import MadePolicy
from mmact_eval.policy_output import json_data
from mmact_eval.rollout import effective_replan
from mmact_eval.specs import EnvSpec, Physics, PolicySpec
from mmact_eval.suite import Suite

_NOT_PART_OF_A_RESULT = {"episodes", "episode_timeout"}
_RECORDED_PACKAGES = ("numpy", "gymnasium", "torch", "transformers", "mujoco", "robosuite", "sapien")


def fingerprint(
    suite: Suite,
    policy: PolicySpec,
    made: MadePolicy,
    seed: int,
    env_versions: Mapping[str, str],
    physics: Physics | None = None,
) -> dict[str, Any]:
    """Everything that can change an episode's result, as nested plain data.

    Args:
        suite: what is evaluated.
        policy: the spec of what acts.
        made: what that is made of.
        seed: the run's seed.
        env_versions: versions of simulator and assets.
        physics: of the environment, None if there are no two of it.
    """
    protocol = {k: v for k, v in suite.protocol.model_dump(mode="json").items() if k not in _NOT_PART_OF_A_RESULT}
    protocol["replan"] = effective_replan(suite.protocol, policy)
    if protocol["disturbance"] is None:
        del protocol["disturbance"]  # as in runs from before there were any
    return {
        "suite": {
            "name": suite.name,
            "env": suite.env,
            "env_args": json_data(dict(suite.env_args)),
            **environment_parts(suite),
        },
        "protocol": protocol,
        "policy": {
            "name": policy.name,
            "target": made.target,
            "checkpoint": json_data(policy.checkpoint),
            "chunk": json_data(policy.chunk),
            "cameras": list(policy.cameras),
            "state": list(policy.state),
            "code": dict(made.code) or "",
            **({"paths": dict(made.paths)} if made.paths else {}),
            "args": json_data(dict(made.args)),
            "config": json_data(dict(policy.config)),
        },
        "seed": seed,
        "versions": {"mmact-eval": __version__, **env_versions},
        **({"physics": asdict(physics)} if physics else {}),
    }


def binding(suite: Suite, permissions: Collection[str]) -> Suite:
    """The suite without those ``env_args`` that permit something and change no result."""
    return suite.model_copy(update={"env_args": {k: v for k, v in suite.env_args.items() if k not in permissions}})


def digest(data: Mapping[str, Any]) -> str:
    """A short hash of plain data, independent of key order."""
    return hashlib.blake2b(json.dumps(data, sort_keys=True, default=str).encode(), digest_size=6).hexdigest()


def differences(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Lines ``protocol.max_steps: 280 → 100`` for every leaf that differs."""
    lines = []
    for key in [*before, *(k for k in now if k not in before)]:
        path = f"{prefix}{key}"
        old, new = before.get(key, "(absent)"), now.get(key, "(absent)")
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            lines += differences(old, new, f"{path}.")
        elif repr(old) != repr(new):  # by their text, so that NaN equals NaN
            lines.append(f"{path}: {old} → {new}")
    return lines


def made_differently(what: str, changed: Sequence[str], advice: str = "") -> str:
    """Why a folder cannot be continued, `differences` and all, and what else could be done than what always can."""
    lines = "\n".join(f"  - {line}" for line in changed)
    return (
        f"{what} made differently (there → now):\n{lines}\n"
        f"Ask for the same again to continue it, or choose another folder with --out. {advice}".rstrip()
    )


def describe_env(spec: EnvSpec) -> dict[str, Any]:
    """The environment's side of a manifest."""
    described: dict[str, Any] = json_data(asdict(spec))
    return described


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
    return [os.path.basename(sys.argv[0]), *map(without_passwords, sys.argv[1:])]


def without_passwords(text: str) -> str:
    """``ws://user:password@host`` → ``ws://host``: run folders are shown around."""
    return re.sub(r"(?<=://)[^/\s]*@", "", text)
