"""Compiles a model in a process of its own, whose memory is free again when it is done.

MuJoCo keeps what it decodes while it compiles: a gigabyte, of which the model is a quarter.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from mmact_eval.envs.libero.compiled import store
from mmact_eval.envs.libero.compiled.store import Layout

_SECONDS = 600.0


def compile_into(layout: Layout, key: str, xml: str) -> None:
    """Compile a model and keep it.

    Raises:
        OSError: it did not compile, or could not be kept; says why.
    """
    # Without the working folder in the path, like a worker; MuJoCo need not look for OpenGL.
    code = f"import sys; sys.path[:] = filter(None, sys.path); from {__name__} import main; main()"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, str(layout.folder), key], input=xml, env={**os.environ, "MUJOCO_GL": "off"},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace", timeout=_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise OSError(f"it was not compiled within {_SECONDS:g} s") from error
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise OSError(said[-1] if said else f"the compiling process ended with {done.returncode}")


def main() -> None:
    """What the process does: the text comes on standard input."""
    import mujoco

    folder, key = sys.argv[1:]
    store.write(Layout(Path(folder)), key, mujoco.MjModel.from_xml_string(sys.stdin.read()))
