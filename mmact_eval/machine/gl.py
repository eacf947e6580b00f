"""The OpenGL backend MuJoCo renders with: chosen before MuJoCo is imported, because afterwards it is too late.

NVIDIA GPUs are used through EGL, the workers spread over them; without one OSMesa, or else EGL on Mesa's software
renderer. What a person has set in the environment (``MUJOCO_GL``, ``MUJOCO_EGL_DEVICE_ID``) is left alone.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmact_eval.errors import UsageError

_VARIABLES = ("MUJOCO_GL", "PYOPENGL_PLATFORM", "MUJOCO_EGL_DEVICE_ID", "CUDA_VISIBLE_DEVICES")
# What the user had set, as JSON: a child process inherits our choice and must not take it for the user's wish.
_BEFORE = "MMACT_EVAL_GL_BEFORE"
_ON_A_DISPLAY = "glx"
INSTALL = (
    "`apt-get install libosmesa6` brings software rendering (newer systems: `apt-get install libegl1 libgl1-mesa-dri`);"
    " an NVIDIA GPU needs libegl1 and its driver's EGL (containers: NVIDIA_DRIVER_CAPABILITIES=all)"
)


@dataclass(frozen=True)
class EglDevice:
    """A device EGL can render on.

    Attributes:
        index: what MUJOCO_EGL_DEVICE_ID counts.
        kind: ``nvidia``, ``software`` (Mesa on the CPU) or ``other`` (another GPU).
        name: what the driver calls it, "" if it does not say.
        cuda: its CUDA ordinal, counted without CUDA_VISIBLE_DEVICES; None if it has none.
        works: whether a display can be opened on devices of its kind.
    """

    index: int
    kind: str
    name: str = ""
    cuda: int | None = None
    works: bool = True


@dataclass(frozen=True)
class Libraries:
    """What is installed: whether OSMesa can be loaded, and EGL's devices."""

    osmesa: bool
    egl: tuple[EglDevice, ...]


@dataclass(frozen=True)
class BackendCheck:
    """Whether 16×16 pixels could be rendered with MuJoCo.

    Attributes:
        gl: ``egl`` or ``osmesa``.
        works: whether it did.
        detail: the renderer's name, or why it does not work.
        seconds: how long it took, imports included.
    """

    gl: str
    works: bool
    detail: str
    seconds: float


@functools.cache
def libraries() -> Libraries:
    """Look for OpenGL libraries, in a process of its own (some 0.1 s); nothing found if that process breaks."""
    script = Path(__file__).with_name("gl_probe.py")
    # CUDA ordinals are wanted as the hardware has them, so that CUDA_VISIBLE_DEVICES can be applied here.
    environment = {key: value for key, value in os.environ.items() if key != "CUDA_VISIBLE_DEVICES"}
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(script)], capture_output=True, timeout=60, env=environment, check=True
        )
        found: dict[str, Any] = json.loads(done.stdout)
        return Libraries(found["osmesa"], tuple(EglDevice(**device) for device in found["egl"]))
    except (subprocess.SubprocessError, OSError, ValueError):
        return Libraries(osmesa=False, egl=())


def choose_gl(worker: int = 0) -> dict[str, str]:
    """Choose the backend and set ``MUJOCO_GL``, ``PYOPENGL_PLATFORM`` and ``MUJOCO_EGL_DEVICE_ID`` accordingly.

    Call it first thing in a process that will render.

    Args:
        worker: number of the worker, from 0; worker i renders on visible GPU i modulo their number.

    Returns:
        ``gl`` (egl, osmesa, …), ``device`` (EGL device index, "" where there is none) and ``renderer`` (the GPU's
        name, ``software`` or ``unknown``).

    Raises:
        UsageError: nothing here can render, or the variables that are set contradict each other.
    """
    _forget_earlier_choice()
    wish = _wish()
    if wish == _ON_A_DISPLAY:  # what that draws with is not known before it has drawn
        return _set(wish, None, "unknown")
    found = libraries()
    if (wish == "osmesa" and not found.osmesa) or (wish == "egl" and not found.egl):
        asked = os.environ.get("MUJOCO_GL") or wish
        problem = f"MUJOCO_GL={asked} is set, but there is no library for {wish} here"
        raise UsageError(problem, f"{INSTALL}; or unset MUJOCO_GL")
    if wish == "osmesa":
        return _set(wish, None, "software")
    gpus = visible_gpus(found.egl)
    software = [device for device in found.egl if device.kind == "software" and device.works]
    if wish == "egl":
        # Whatever EGL has, as the user insists.
        candidates = gpus or software or list(found.egl)
    elif gpus:
        candidates = gpus
    elif found.osmesa:
        return _set("osmesa", None, "software")
    elif software:
        candidates = software
    else:
        raise UsageError("No OpenGL library to render with", INSTALL)
    asked = os.environ.get("MUJOCO_EGL_DEVICE_ID", "").strip()
    if asked:
        named = [device for device in found.egl if str(device.index) == asked]
        return _set("egl", asked, _renderer(named[0]) if named else "unknown")
    device = candidates[worker % len(candidates)]
    return _set("egl", str(device.index), _renderer(device))


def _forget_earlier_choice() -> None:
    """Put the environment back to what the user had, if this process or its parent has chosen before."""
    before = os.environ.pop(_BEFORE, None)
    if before is None:
        return
    for name, value in json.loads(before).items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _wish() -> str:
    """The backend the user wants, "" if it is left to us."""
    wish = os.environ.get("MUJOCO_GL", "").strip().lower()
    platform = os.environ.get("PYOPENGL_PLATFORM", "").strip().lower()
    if wish == "glfw":
        wish = "egl"  # nobody looks at a window here; robosuite, too, draws with EGL then
    if wish and wish not in ("egl", "osmesa", _ON_A_DISPLAY):
        raise UsageError(f"MUJOCO_GL={wish} cannot render images; unset it, or set it to egl or osmesa")
    if wish in ("egl", "osmesa") and platform not in ("", wish):
        raise UsageError(f"MUJOCO_GL={wish} and PYOPENGL_PLATFORM={platform} contradict each other; unset one of them")
    return wish or (platform if platform in ("egl", "osmesa") else "")


def _renderer(device: EglDevice) -> str:
    if device.kind == "software":
        return "software"
    return device.name or ("NVIDIA GPU" if device.kind == "nvidia" else "unknown")


def _set(gl: str, device: str | None, renderer: str) -> dict[str, str]:
    os.environ[_BEFORE] = json.dumps({name: os.environ.get(name) for name in _VARIABLES})
    # In lower case: robosuite compares without folding and would fall back to EGL.
    os.environ["MUJOCO_GL"] = gl
    if gl != _ON_A_DISPLAY:
        os.environ["PYOPENGL_PLATFORM"] = gl
    if device is not None:
        os.environ["MUJOCO_EGL_DEVICE_ID"] = device
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        if visible and device not in visible:
            # robosuite refuses an EGL device whose number is not in that list, although the two count differently.
            # Appended, it leaves the numbering of the devices before it as it was.
            os.environ["CUDA_VISIBLE_DEVICES"] = f"{visible},{device}"
    return {"gl": gl, "device": device or "", "renderer": renderer}


def visible_gpus(devices: Iterable[EglDevice], visible: str | None = None) -> list[EglDevice]:
    """The working NVIDIA devices that CUDA_VISIBLE_DEVICES allows, in its order.

    Args:
        devices: what EGL has.
        visible: the variable's value; by default what is set.
    """
    if visible is None:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = [device for device in devices if device.kind == "nvidia" and device.works]
    if visible is None or not gpus:
        return gpus
    ordinals = {device.index if device.cuda is None else device.cuda: device for device in gpus}
    chosen: list[EglDevice] = []
    for entry in (part.strip() for part in visible.split(",")):
        if entry.startswith("MIG-"):
            return gpus  # a slice of a GPU has no number of its own
        ordinal = int(entry) if entry.isdigit() else _ordinal_of(entry)
        if ordinal not in ordinals:
            break  # as CUDA does: what stands after a device that is not there is not visible
        chosen.append(ordinals[ordinal])
    return chosen


def _ordinal_of(uuid: str) -> int:
    """CUDA ordinal of ``GPU-8932f937-…`` (a prefix will do), −1 if there is no such GPU."""
    uuids = [gpu["uuid"] for gpu in nvidia_gpus()]
    return next((number for number, known in enumerate(uuids) if uuid and known.startswith(uuid)), -1)


def nvidia_gpus(folder: Path = Path("/proc/driver/nvidia/gpus")) -> list[dict[str, str]]:
    """``name`` and ``uuid`` of the GPUs the NVIDIA driver knows, in PCI order; whether or not EGL can use them."""
    gpus = []
    for path in sorted(folder.glob("*/information")):
        lines = path.read_text(errors="replace").splitlines()
        facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
        gpus.append({"name": facts.get("Model", "NVIDIA GPU"), "uuid": facts.get("GPU UUID", "")})
    return gpus


_RENDER = """
import mujoco
model = mujoco.MjModel.from_xml_string(
    "<mujoco><worldbody><light pos='0 0 3'/><geom type='sphere' size='1' rgba='1 0 0 1'/></worldbody></mujoco>")
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
renderer = mujoco.Renderer(model, 16, 16)
renderer.update_scene(data)
assert renderer.render().max() > 0, "the picture is black"
from OpenGL import GL
print("renderer:", GL.glGetString(GL.GL_RENDERER).decode())
"""


def probe_backends(timeout: float = 20.0) -> list[BackendCheck]:
    """Render a picture with each backend, in a process each.

    Args:
        timeout: seconds each may take.
    """
    return [_probe(gl, timeout) for gl in ("egl", "osmesa")]


def _probe(gl: str, timeout: float) -> BackendCheck:
    environment = {**os.environ, "MUJOCO_GL": gl, "PYOPENGL_PLATFORM": gl}
    start = time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, "-c", _RENDER], capture_output=True, text=True, timeout=timeout, env=environment
        )
        # Printed before the interpreter tears down GL, which some drivers do not survive.
        works = "renderer:" in done.stdout
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        if last.startswith("AttributeError: 'NoneType'"):
            last = "its library is not installed"  # that is how PyOpenGL puts it
        detail = done.stdout.partition("renderer:")[2].strip() if works else last
    except subprocess.TimeoutExpired:
        works, detail = False, f"no picture within {timeout:g} s"
    return BackendCheck(gl, works, detail, time.monotonic() - start)
