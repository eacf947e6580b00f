"""What `mmact-eval doctor` says about CALVIN: pybullet, the assets, a scene in a fresh process, EGL."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from mmact_eval.envs.calvin.assets import find_assets
from mmact_eval.envs.calvin.install.published import few, missing_or_other, of_scene
from mmact_eval.envs.calvin.world.bullet import how_to_install
from mmact_eval.errors import UsageError
from mmact_eval.protocols import Check

_GROUP = "CALVIN"
_SECONDS = 120.0
# Without the working folder in the path, like a worker.
_TRIAL = (
    "import sys; sys.path[:] = filter(None, sys.path); "
    "from mmact_eval.envs.calvin.checks.trial import main; main(*sys.argv[1:])"
)
_BY_HAND = "mend what it says; the whole of it: python -m mmact_eval.envs.calvin.checks.trial {0} {1}"


def examine() -> Iterator[Check]:
    """Everything that a run needs; without the assets the stand-in is tried."""
    if importlib.util.find_spec("pybullet") is None:
        yield Check(_GROUP, "pybullet", "note", "not installed", how_to_install())
        return
    yield Check(_GROUP, "pybullet", "ok", metadata.version("pybullet"))
    yield (assets := _assets())
    if assets.status == "fail":
        return
    world = "calvin" if assets.status == "ok" else "stand-in"
    yield _scene(world)
    yield _egl(world)


def _assets() -> Check:
    try:
        folder: Path = find_assets()
    except UsageError as error:
        problem, _, todo = str(error).partition(": ")
        named = not problem.startswith("CALVIN's")
        return Check(_GROUP, "assets", "fail" if named else "note", str(error) if named else "not here", todo)
    bad = missing_or_other(folder, of_scene("D"))
    if bad:
        detail = f"{few(bad)} missing or not as published in {folder}"
        return Check(_GROUP, "assets", "fail", detail, "mmact-eval setup calvin")
    return Check(_GROUP, "assets", "ok", f"all of scene D, as published, in {folder}")


def _scene(world: str) -> Check:
    """Load a scene, move in it and draw it."""
    name = "a scene" if world == "calvin" else "a scene of boxes"
    found = _try(world, "tiny")
    if isinstance(found, str):
        return Check(_GROUP, name, "fail", found, _BY_HAND.format(world, "tiny"))
    if not found["same"]:
        detail = "other bits than recorded: results of this machine may differ from those of others in single episodes"
        return Check(_GROUP, name, "note", detail, "compare runs of one kind of machine only")
    return Check(_GROUP, name, "ok", f"moved as recorded, to the bit, and drawn ({found['seconds']:.1f} s)")


def _egl(world: str) -> Check:
    found = _try(world, "egl")
    if isinstance(found, str):
        return Check(_GROUP, "EGL", "note", found, "none needed for env_args.renderer=tiny, which suites ask for")
    return Check(_GROUP, "EGL", "ok", "draws, for env_args.renderer=egl")


def _try(world: str, renderer: str) -> dict[str, Any] | str:
    """The trial's answer in a fresh process, or what went wrong."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _TRIAL, world, renderer],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"no answer within {_SECONDS:g} s"
    try:  # EGL prints when it ends, after the answer
        answer = next(line for line in done.stdout.splitlines()[::-1] if line.startswith("{"))
        found: dict[str, Any] = json.loads(answer)
    except (StopIteration, ValueError):
        said = [line for line in done.stderr.splitlines() if line.strip()]
        return said[-1].removeprefix("mmact_eval.errors.UsageError: ") if said else f"ended with {done.returncode}"
    return found
