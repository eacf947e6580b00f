"""What a compiled model follows from, as a key: the same key, the same model to the last bit."""

from __future__ import annotations

import hashlib
import platform
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

FORMAT = 1
"""Of the cache's files; counted up when they change."""

_FEATURES = frozenset({"asimd", "avx", "avx2", "avx512f", "fma", "fma4", "sse4_1", "sve"})


def model_key(xml: str) -> str | None:
    """The key of the model that this MJCF text compiles to, None if that cannot be told.

    It covers the text with its paths (a model holds them), the content of every file it names, MuJoCo's version, and
    the machine as far as it can change the last bits of a compiled number: byte order, C library and the processor
    features by which that library picks its routines. Files are read, not looked at: size and time stamps stay the
    same when one wheel is installed over another.
    """
    import mujoco

    digest = hashlib.sha256(repr((FORMAT, mujoco.__version__, *_machine())).encode())
    digest.update(xml.encode())
    try:
        for file in _files(xml):
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    except (OSError, ValueError, ET.ParseError):
        return None
    return digest.hexdigest()[:32]


def _files(xml: str) -> list[Path]:
    """The files that a text names, each once.

    Raises:
        ValueError: a path is relative, or another text is included, so that the files are not all known.
        ET.ParseError: it is no XML.
    """
    root = ET.fromstring(xml)
    if root.find(".//include") is not None:
        raise ValueError("an included text may name more files")
    named = {value for element in root.iter() for name, value in element.attrib.items() if name.startswith("file")}
    files = sorted(Path(name) for name in named)
    if not all(file.is_absolute() for file in files):
        raise ValueError("a relative path means what MuJoCo makes of it")
    return files


def _machine() -> tuple[object, ...]:
    return (sys.byteorder, sys.maxsize, platform.machine(), platform.libc_ver(), *_processor_features())


def _processor_features() -> list[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return [platform.processor()]
    first = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return sorted(_FEATURES.intersection(first.split()))
