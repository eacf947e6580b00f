"""Which OpenGL libraries this machine has. Run as a script in a process of its own; prints JSON.

A driver that crashes, hangs or dislikes being forked after use must not do so in a worker, so nothing here is imported
by the engine. Standard library only. See the registry texts of EGL_EXT_device_enumeration, EGL_EXT_device_query_name,
EGL_NV_device_cuda and EGL_MESA_device_software for the constants.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import json
import sys
from typing import Any

_EGL_PLATFORM_DEVICE = 0x313F
_EGL_EXTENSIONS = 0x3055
_EGL_RENDERER = 0x335F
_EGL_CUDA_DEVICE = 0x323A
_MAX_DEVICES = 64


def _load(*names: str) -> ctypes.CDLL | None:
    for name in names:
        found = name if ".so" in name else ctypes.util.find_library(name)
        if found:
            try:
                return ctypes.CDLL(found)
            except OSError:
                continue
    return None


def _function(egl: ctypes.CDLL, name: str, result: Any, *arguments: Any) -> Any:
    """An extension's function, or None."""
    get = egl.eglGetProcAddress
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
    address = get(name.encode())
    return ctypes.CFUNCTYPE(result, *arguments)(address) if address else None


def egl_devices() -> list[dict[str, Any]]:
    """EGL devices in the order MUJOCO_EGL_DEVICE_ID counts them.

    Each has ``index``, ``kind`` (``nvidia``, ``software`` or ``other``), ``name``, ``cuda`` (its CUDA ordinal or None)
    and ``works`` (whether a display could be opened; asked of the first device of a kind, as it takes a while).
    """
    egl = _load("libEGL.so.1", "EGL")
    if egl is None:
        return []
    pointer, integer = ctypes.c_void_p, ctypes.c_int32
    query = _function(egl, "eglQueryDevicesEXT", ctypes.c_uint, integer, pointer, pointer)
    string = _function(egl, "eglQueryDeviceStringEXT", ctypes.c_char_p, pointer, integer)
    attribute = _function(egl, "eglQueryDeviceAttribEXT", ctypes.c_uint, pointer, integer, pointer)
    if query is None or string is None:
        return []
    found, count = (pointer * _MAX_DEVICES)(), integer(0)
    if not query(_MAX_DEVICES, ctypes.cast(found, pointer), ctypes.cast(ctypes.byref(count), pointer)):
        return []
    devices: list[dict[str, Any]] = []
    works: dict[str, bool] = {}
    for index in range(count.value):
        extensions = (string(found[index], _EGL_EXTENSIONS) or b"").decode().split()
        nvidia = any(name.startswith("EGL_NV_") for name in extensions)
        kind = "nvidia" if nvidia else "software" if "EGL_MESA_device_software" in extensions else "other"
        name, cuda = "", None
        if "EGL_EXT_device_query_name" in extensions:
            name = (string(found[index], _EGL_RENDERER) or b"").decode(errors="replace")
        if "EGL_NV_device_cuda" in extensions and attribute is not None:
            value = ctypes.c_ssize_t(-1)
            if attribute(found[index], _EGL_CUDA_DEVICE, ctypes.cast(ctypes.byref(value), pointer)):
                cuda = value.value
        if kind not in works:
            works[kind] = _opens(egl, found[index] or 0)
        devices.append({"index": index, "kind": kind, "name": name, "cuda": cuda, "works": works[kind]})
    return devices


def _opens(egl: ctypes.CDLL, device: int) -> bool:
    pointer = ctypes.c_void_p
    get_display = _function(egl, "eglGetPlatformDisplayEXT", pointer, ctypes.c_uint, pointer, pointer)
    initialize = _function(egl, "eglInitialize", ctypes.c_uint, pointer, pointer, pointer)
    terminate = _function(egl, "eglTerminate", ctypes.c_uint, pointer)
    if get_display is None or initialize is None or terminate is None:
        return False
    display = get_display(_EGL_PLATFORM_DEVICE, device, None)
    if not display or not initialize(display, None, None):
        return False
    terminate(display)
    return True


def main() -> None:
    """Print ``{"osmesa": bool, "egl": [device, …]}``."""
    devices = egl_devices()
    osmesa = _load("OSMesa", "libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so")
    json.dump({"osmesa": osmesa is not None, "egl": devices}, sys.stdout)


if __name__ == "__main__":
    main()
