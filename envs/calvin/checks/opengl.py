"""Which OpenGL pybullet draws with, so that a run is bound to it: a GPU's pixels are not those of Mesa's software."""

from __future__ import annotations

import functools
import subprocess
import sys

from mmact_eval.errors import UsageError

_SECONDS = 60.0
# Without the working folder in the path, like a worker.
_OPEN = (
    "import sys; sys.path[:] = filter(None, sys.path); "
    "from mmact_eval.envs.calvin.world.bullet import Bullet; Bullet('egl').close()"
)
_SAYS = ("GL_VENDOR=", "GL_RENDERER=", "GL_VERSION=")


@functools.cache
def opengl() -> str:
    """Vendor, renderer and version, as pybullet prints them in a fresh process.

    Raises:
        UsageError: there is no EGL here, or pybullet is missing.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", _OPEN],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise UsageError(f"pybullet does not open EGL here within {_SECONDS:g} s; use env_args.renderer=tiny") from None
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        why = said[-1].partition(": ")[2] if said else f"it ended with {done.returncode}"
        raise UsageError(why or said[-1])
    lines = dict.fromkeys(line.strip() for line in done.stdout.splitlines())
    return ", ".join(line.partition("=")[2] for line in lines if line.startswith(_SAYS))
