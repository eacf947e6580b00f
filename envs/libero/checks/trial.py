"""Builds a scene of LIBERO and draws it, as a worker would; `mmact-eval doctor` starts it in a fresh process.

By hand, with everything that upstream says: python -m mmact_eval.envs.libero.checks.trial
and, of where objects come to rest, python -m mmact_eval.envs.libero.checks.trial settle
"""

from __future__ import annotations

import json
import sys
import time

from mmact_eval.config.suite_file import load_suite
from mmact_eval.envs.libero import plugin
from mmact_eval.envs.libero.checks.settle_check import SettleRow
from mmact_eval.protocols import Needs
from mmact_eval.types import Episode

SUITE = "libero-object"
SETTLED = {"libero-spatial": 5, "libero-object": 0, "libero-goal": 0, "libero-long": 0}
"""Suite → the task whose recorded scenes are put up: the first one that tells two physics apart, if any does."""


def main() -> None:
    """Print ``{"renderer": …, "seconds": …}`` as the last line.

    Raises:
        UsageError: LIBERO cannot be imported here, or nothing can render.
        RuntimeError: the picture is empty.
    """
    start = time.monotonic()
    suite = load_suite(SUITE, ("env_args.physics=any",))
    chosen = plugin.prepare_process(0, 1)
    task = plugin.tasks(suite)[0]
    cameras = suite.protocol.cameras
    env = plugin.make(suite, task, Needs(cameras=cameras))
    pictures = env.begin(Episode(suite.name, task.name, 0, 0)).images
    empty = [camera for camera in cameras if pictures[camera].std() == 0]
    if empty:
        raise RuntimeError(f"the picture of {', '.join(empty)} is empty")
    env.close()
    print(json.dumps({"renderer": chosen["renderer"], "gl": chosen["gl"], "seconds": time.monotonic() - start}))


def settle() -> None:
    """Print ``{"scenes": …, "gap": …, "worst": …}``, the largest distance in metres, as the last line."""
    plugin.prepare_process(0, 1)
    rows: list[SettleRow] = []
    for name, number in SETTLED.items():
        suite = load_suite(name, ("env_args.physics=any",))
        rows += plugin.settle(suite, [plugin.tasks(suite)[number]])
    worst = max(rows, key=lambda row: row.gap)
    scenes = sum(row.scenes for row in rows)
    print(json.dumps({"scenes": scenes, "gap": worst.gap, "worst": f"{worst.worst} in {worst.task}"}))


if __name__ == "__main__":
    settle() if sys.argv[1:] == ["settle"] else main()
