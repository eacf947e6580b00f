"""Builds a scene of CALVIN, moves in it and draws it; `mmact-eval doctor` starts it in a fresh process.

By hand, with everything that pybullet says: python -m mmact_eval.envs.calvin.checks.trial calvin tiny
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from mmact_eval.envs.calvin.assets import find_assets
from mmact_eval.envs.calvin.checks.recorded import MOTIONS, measure, recorded
from mmact_eval.envs.calvin.stand_in import stand_in_assets
from mmact_eval.envs.calvin.world import World


def main(world: str, renderer: str) -> None:
    """Print ``{"same": …, "seconds": …}`` as the last line: whether the states are the recorded ones.

    Args:
        world: ``calvin`` or ``stand-in``.
        renderer: ``tiny`` or ``egl``.

    Raises:
        UsageError: assets, pybullet or EGL are missing.
        RuntimeError: a picture is empty.
    """
    start = time.monotonic()
    folder: Path = find_assets() if world == "calvin" else stand_in_assets()
    scene = World("D", folder, renderer)
    chain = MOTIONS[0]
    same = measure(scene, chain) == recorded(world)[str(chain)]
    for camera in ("static", "gripper"):
        if scene.picture(camera).std() == 0:
            raise RuntimeError(f"the picture of the camera {camera} is empty")
    scene.close()
    print(json.dumps({"same": same, "seconds": time.monotonic() - start}))


if __name__ == "__main__":
    main(*sys.argv[1:])
