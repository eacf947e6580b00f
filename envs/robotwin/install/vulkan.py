"""Which Vulkan driver the simulator renders with, and how to get one where there is no GPU.

The simulator needs Vulkan even to set a scene up. Debian 12's own software driver (Mesa 22.3) lacks a feature it needs,
so a newer Mesa is unpacked into a cache folder, and the simulator's process alone is told of it.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mmact_eval.envs.robotwin.install.cache import cache_folder
from mmact_eval.errors import UsageError
from mmact_eval.machine import gl
from mmact_eval.machine.user_folders import for_writing

SETUP = "mmact-eval setup robotwin"

_ICD_VARIABLES = ("VK_DRIVER_FILES", "VK_ICD_FILENAMES")
_ICD_FOLDERS = ("/etc/vulkan/icd.d", "/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d")
_SWIFTSHADER = (Path("/usr/lib/chromium/libvk_swiftshader.so"), Path("/usr/lib/chromium-browser/libvk_swiftshader.so"))

_FIND_DEVICE = "import sapien.render; sapien.render.RenderSystem()"
_DRAW = """
import numpy, sapien
scene = sapien.Scene()
scene.set_ambient_light([1.0, 1.0, 1.0])
builder = scene.create_actor_builder()
builder.add_box_visual(half_size=[0.2, 0.2, 0.2], material=[1.0, 0.0, 0.0])
builder.build_kinematic().set_pose(sapien.Pose([1.0, 0.0, 0.0]))
camera = scene.add_camera("probe", 32, 32, 1.0, 0.01, 10.0)
scene.update_render()
camera.take_picture()
picture = camera.get_picture("Color")
assert float(numpy.asarray(picture)[16, 16, 0]) > 0.1, "the picture is black"
"""
_PROBE_SECONDS = 180.0


@dataclass(frozen=True)
class Driver:
    """A Vulkan driver.

    Attributes:
        name: for people and the record of a run, e.g. ``Mesa 25.0.7 (lavapipe, private)``.
        variables: environment variables that select it; empty for the system's choice.
    """

    name: str
    variables: Mapping[str, str] = field(default_factory=dict)


def candidates() -> list[Driver]:
    """Drivers that might work here, the preferred first: the user's, a GPU's, private Mesa, the system's software."""
    asked = {name: os.environ[name] for name in _ICD_VARIABLES if os.environ.get(name)}
    if asked:
        return [Driver(f"as {next(iter(asked))} says ({Path(next(iter(asked.values()))).name})")]
    found = []
    if gl.nvidia_gpus() and _system_icds("nvidia"):
        found.append(Driver("NVIDIA"))
    private = _private_icd("mesa")
    if private is not None:
        found.append(private)
    found += [Driver(f"system ({icd.name})", {"VK_ICD_FILENAMES": str(icd)}) for icd in _system_icds("lvp")]
    private = _private_icd("swiftshader")
    if private is not None:
        found.append(private)
    return found


def choose() -> Driver:
    """The driver that runs use: what `setup` found to work, or the first candidate.

    Raises:
        UsageError: there is none.
    """
    found = candidates()
    if not found:
        raise UsageError(f"RoboTwin needs Vulkan and this machine has no driver for it: run `{SETUP}`.")
    return found[0]


def probe(driver: Driver, draw: bool = True) -> str:
    """Try a driver in a process of its own. Returns "" if it works, else why not.

    Args:
        driver: which.
        draw: draw a picture, which takes a software driver some 10 s; else only make a device, 1 s.
    """
    return _probe(_DRAW if draw else _FIND_DEVICE, tuple(sorted(driver.variables.items())))


@functools.cache
def _probe(code: str, variables: tuple[tuple[str, str], ...]) -> str:
    environment = {**os.environ, **dict(variables)}
    command = [sys.executable, "-c", code]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"it does not answer within {_PROBE_SECONDS:.0f} s"
    if done.returncode == 0:
        return ""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return lines[-1] if lines else f"the process ended with status {done.returncode}"


def set_up(say: Callable[[str], None]) -> Driver:
    """Make sure that a working driver is there, unpacking one if need be. Does nothing where one works already.

    Args:
        say: told what happens, a line at a time.

    Raises:
        UsageError: nothing works; says what was tried.
    """
    for driver in candidates():
        problem = probe(driver)
        if not problem:
            return driver
        say(f"Vulkan by {driver.name} does not work: {problem}")
    tried = []
    for name, make in (("Mesa", _unpack_mesa), ("SwiftShader", _unpack_swiftshader)):
        try:
            driver = make(say)
        except UsageError as error:
            tried.append(f"{name}: {error}")
            continue
        problem = probe(driver)
        if not problem:
            return driver
        _forget(name.lower())
        tried.append(f"{name}: {problem}")
    raise UsageError(
        "no Vulkan driver works here. " + " ".join(tried) + " Install a Mesa of 24 or newer with lavapipe, or name a "
        "driver with VK_ICD_FILENAMES."
    )


def _unpack_mesa(say: Callable[[str], None]) -> Driver:
    """Unpack a Mesa that is new enough, from the release or from its backports."""
    from mmact_eval.envs.robotwin.install.debian import PrivateApt

    folder = _folder("mesa")
    say(f"Unpacking Mesa's software Vulkan into {folder} …")
    apt = PrivateApt(for_writing(folder))
    try:
        release = apt.use_release(("", "-backports"))
        apt.unpack("mesa-vulkan-drivers", f"{release}-backports")
    except UsageError as error:
        say(f"Backports cannot be used ({error}); taking the release's own Mesa.")
        apt.use_release(("",))
        apt.unpack("mesa-vulkan-drivers")
    icds = sorted((apt.root / "usr/share/vulkan/icd.d").glob("lvp_icd*.json"))
    if not icds:
        raise UsageError("the package mesa-vulkan-drivers holds no software driver.")
    version = _version_of(folder, "mesa-vulkan-drivers")
    return _write_icd("mesa", f"Mesa {version} (lavapipe, private)", icds[0], apt.root)


def _unpack_swiftshader(say: Callable[[str], None]) -> Driver:
    """SwiftShader from an installed Chromium, or from its package."""
    for library in _SWIFTSHADER:
        if library.is_file():
            return _write_icd("swiftshader", "SwiftShader (Chromium's)", library.with_name("vk_swiftshader_icd.json"), Path("/"))  # fmt: skip  # noqa: E501
    from mmact_eval.envs.robotwin.install.debian import PrivateApt

    folder = _folder("swiftshader")
    say(f"Unpacking SwiftShader into {folder} …")
    apt = PrivateApt(for_writing(folder))
    apt.use_release(("",))
    apt.unpack("chromium-common")
    icd = apt.root / "usr/lib/chromium/vk_swiftshader_icd.json"
    return _write_icd("swiftshader", "SwiftShader (private)", icd, apt.root)


def _write_icd(kind: str, name: str, original: Path, root: Path) -> Driver:
    """A copy of a driver's description that names its library by an absolute path."""
    described = json.loads(original.read_text(encoding="utf-8"))
    stated = Path(described["ICD"]["library_path"])
    library = original.parent / stated if str(stated).startswith("./") else None
    if library is None:
        found = sorted(root.rglob(stated.name)) if root != Path("/") else [stated]
        if not found:
            raise UsageError(f"{stated.name} is not among what was unpacked.")
        library = found[0]
    described["ICD"]["library_path"] = str(library.resolve())
    folder = for_writing(_folder(kind))
    icd = folder / "icd.json"
    icd.write_text(json.dumps(described, indent=2), encoding="utf-8")
    libraries = sorted({str(path.parent.resolve()) for path in root.rglob("*.so*")}) if root != Path("/") else []
    record = {"name": name, "libraries": [path for path in libraries if "/dri" not in path]}
    (folder / "driver.json").write_text(json.dumps(record), encoding="utf-8")
    driver = _private_icd(kind)
    assert driver is not None
    return driver


def _private_icd(kind: str) -> Driver | None:
    folder = _folder(kind)
    try:
        record = json.loads((folder / "driver.json").read_text(encoding="utf-8"))
        library = json.loads((folder / "icd.json").read_text(encoding="utf-8"))["ICD"]["library_path"]
    except (OSError, ValueError, KeyError):
        return None
    if not Path(library).is_file():
        return None
    variables = {"VK_ICD_FILENAMES": str(folder / "icd.json")}
    if record["libraries"]:
        known = os.environ.get("LD_LIBRARY_PATH", "")
        variables["LD_LIBRARY_PATH"] = ":".join([*record["libraries"], *([known] if known else [])])
    return Driver(record["name"], variables)


def _forget(kind: str) -> None:
    (_folder(kind) / "driver.json").unlink(missing_ok=True)


def _folder(kind: str) -> Path:
    return cache_folder() / "vulkan" / kind


def _system_icds(kind: str) -> list[Path]:
    return [icd for folder in _ICD_FOLDERS for icd in sorted(Path(folder).glob(f"{kind}*.json"))]


def _version_of(folder: Path, package: str) -> str:
    """``25.0.7`` of ``mesa-vulkan-drivers_25.0.7-2~bpo12+1_amd64.deb``."""
    archives = sorted((folder / "downloads").glob(f"{package}_*.deb"))
    return archives[-1].name.split("_")[1].split("-")[0].removeprefix("1%3a") if archives else "?"
