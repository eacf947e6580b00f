"""Where the task code is on this machine, under which interpreter, in which versions."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from mmact_eval.envs.robotwin.args import RobotwinArgs
from mmact_eval.envs.robotwin.install.cache import cache_folder
from mmact_eval.envs.robotwin.simulator import embodiment
from mmact_eval.envs.robotwin.simulator.runtime import CONFIG_FOLDERS, Settings, layout_of
from mmact_eval.errors import UsageError
from mmact_eval.machine.user_folders import expanded, for_writing

RUNTIME = "rlinf-robotwin-runtime"
RUNTIME_VERSION = "0.1.3"
PINNED_SAPIEN = "3.0.0b1"
"""The version of sapien that upstream pins, and published numbers were made with."""

ASSET_LIST = "assets/objects/objaverse/list.json"
"""A file of the assets, without which a checkout's task code cannot be imported."""

DOWNLOAD = "run the checkout's script/_download_assets.sh (scripts/ in newer ones)"

_PACKAGES = ("sapien", "mplib", "toppra", "numpy")
_ASK_VERSIONS = """
import importlib.metadata as m, json, sys
found = {}
for name in sys.argv[1:]:
    try: found[name] = m.version(name)
    except m.PackageNotFoundError: pass
print(json.dumps(found))
"""
_EMBEDDED_RANDOMIZATIONS = ["clean_background_rate", "random_light", "crazy_random_light_rate", "random_table_height",
                            "random_head_camera_dis"]  # fmt: skip
"""What of `demo_randomized` needs no assets: all but textures and clutter."""


def runtime_folder() -> Path:
    """Where `mmact-eval setup robotwin` puts the task code."""
    return cache_folder() / f"runtime-{RUNTIME_VERSION}"


def runtime_root() -> str | None:
    """The folder to import `robotwin` from, "" if it is installed like any package, None if it is nowhere."""
    if (runtime_folder() / "robotwin/__init__.py").is_file():
        return str(runtime_folder())
    return "" if importlib.util.find_spec("robotwin") is not None else None


def checkout(args: RobotwinArgs) -> Path:
    """The user's checkout.

    Raises:
        UsageError: none is named, or it is none.
    """
    if not args.root:
        raise UsageError(
            "RoboTwin's real mode needs a checkout with its assets: set ROBOTWIN_ROOT (or --set env_args.root=…). "
            "Without one, --suite robotwin-smoke runs five tasks."
        )
    root = expanded(args.root).absolute()
    if not layout_of(root):
        raise UsageError(f"{root} is no RoboTwin 2.0 checkout: it has no envs/_base_task.py or no task configurations.")
    return root


def require_assets(args: RobotwinArgs) -> None:
    """Nothing in embedded mode; a checkout must have its assets.

    Raises:
        UsageError: it has none.
    """
    if args.mode == "real" and not (checkout(args) / ASSET_LIST).is_file():
        raise UsageError(f"{checkout(args)} has no assets ({ASSET_LIST} is missing): {DOWNLOAD}.")


def settings(args: RobotwinArgs, camera: str = "D435") -> Settings:
    """What the simulator's process is started with; `camera` is upstream's name of the camera type.

    Raises:
        UsageError: the task code or the checkout is missing.
    """
    robot = str(robot_folder()) if args.synthetic else ""
    if args.mode == "embedded":
        root = runtime_root()
        if root is None:
            raise UsageError(f"RoboTwin's task code ({RUNTIME}) is not here yet: run `mmact-eval setup robotwin`.")
        return Settings(
            source="package", root=root, config=args.config, camera=camera, robot_folder=robot,
            planner=args.planner, shader=args.shader, randomize=_EMBEDDED_RANDOMIZATIONS,
        )  # fmt: skip
    names = [] if args.synthetic else list(args.embodiment) or ["aloha-agilex"]
    return Settings(
        source="checkout", root=str(checkout(args)), config=args.config, camera=camera, embodiment=names,
        robot_folder=robot, planner=args.planner, shader=args.shader, light=args.planner == "mplib",
    )  # fmt: skip


def robot_folder() -> Path:
    """The synthetic robot's files, written if they are not there.

    Raises:
        UsageError: they cannot be written.
    """
    folder = cache_folder() / f"robot-{embodiment.REVISION}"
    if not (folder / "robot.urdf").is_file():
        fresh = Path(tempfile.mkdtemp(dir=for_writing(folder.parent)))
        embodiment.write(fresh)
        try:
            os.replace(fresh, folder)
        except OSError:  # somebody else was quicker
            shutil.rmtree(fresh, ignore_errors=True)
    return folder


@functools.cache
def versions_under(python: str) -> dict[str, str]:
    """Versions of the packages that change results, in an interpreter ("" for this one).

    Raises:
        UsageError: the interpreter cannot be run.
    """
    if not python or python == sys.executable:
        found = {}
        for name in _PACKAGES:
            try:
                found[name] = metadata.version(name)
            except metadata.PackageNotFoundError:
                continue
        return found
    command = [python, "-c", _ASK_VERSIONS, *_PACKAGES]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        answer: dict[str, str] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise UsageError(f"env_args.python: {python} is no Python that runs here ({error}).") from error
    return answer


def identity(args: RobotwinArgs) -> dict[str, str]:
    """Everything that decides which seeds the expert solves and what their scenes are, as plain text.

    Raises:
        UsageError: the checkout or the interpreter is missing.
    """
    source = f"{RUNTIME} {RUNTIME_VERSION}" if args.mode == "embedded" else commit(checkout(args))
    robot = f"{embodiment.NAME} {embodiment.REVISION}" if args.synthetic else json.dumps(list(args.embodiment))
    return {
        "source": source,
        "config": args.config,
        "embodiment": robot,
        "planner": args.planner,
        **versions_under(args.python),
    }


@functools.cache
def commit(root: Path) -> str:
    """``stable_2.0 a1b2c3d4e5f6``, with ``+dirty`` if task code was changed."""
    asked = ["git", "-C", str(root), "describe", "--always", "--dirty=+dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True)
        name = done.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        name = "(no git)"
    return f"RoboTwin {layout_of(root)} {name}"


def substitutions(args: RobotwinArgs) -> list[str]:
    """What is not what RoboTwin's published numbers were made with, in words."""
    found = []
    if args.synthetic:
        found.append("a synthetic robot of boxes instead of aloha-agilex")
    elif args.embodiment not in ((), ("aloha-agilex",)):
        found.append(f"the embodiment {', '.join(map(str, args.embodiment))} instead of aloha-agilex")
    if args.planner != "curobo":
        found.append(f"the planner {args.planner} instead of cuRobo")
    if args.shader != "rt":
        found.append(f"the shader {args.shader} instead of ray tracing")
    try:
        sapien = versions_under(args.python).get("sapien", "")
    except UsageError:
        sapien = ""
    if sapien and sapien != PINNED_SAPIEN:
        found.append(f"sapien {sapien} instead of {PINNED_SAPIEN}")
    if args.mode == "embedded":
        found.append(f"task code of {RUNTIME} {RUNTIME_VERSION}")
        if args.config != "demo_clean":
            found.append("no clutter and no background textures")
    return found


def config_folder(root: Path) -> Path:
    """Where a checkout keeps its task configurations."""
    return root / CONFIG_FOLDERS[layout_of(root)]
