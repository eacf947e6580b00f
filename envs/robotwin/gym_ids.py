"""Registers RoboTwin's ids with Gymnasium, on import.

    import gymnasium
    import mmact_eval.envs.robotwin.gym_ids

    env = gymnasium.make("mmact_eval/RoboTwin-StackBlocksTwo-v0")

There is an id for each of the fifty tasks. They use the checkout that ``ROBOTWIN_ROOT`` names; without one, the five
tasks of the embedded mode work. The simulator starts when an environment is made.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mmact_eval.envs.robotwin.catalog import STEP_LIMITS

if TYPE_CHECKING:
    from mmact_eval.envs.robotwin.env import RobotwinEnv


def gym_id(task: str) -> str:
    """``stack_blocks_two`` → ``mmact_eval/RoboTwin-StackBlocksTwo-v0``."""
    return f"mmact_eval/RoboTwin-{''.join(part.capitalize() for part in task.split('_'))}-v0"


IDS = {gym_id(task): task for task in STEP_LIMITS}
"""Gymnasium id → task."""


def register() -> None:
    """Make the ids known to Gymnasium; harmless to repeat."""
    import gymnasium

    for name, task in IDS.items():
        if name not in gymnasium.registry:
            gymnasium.register(id=name, entry_point=f"{__name__}:make_env", kwargs={"task": task})


def make_env(
    task: str,
    suite: str | None = None,
    cameras: Sequence[str] | None = None,
    overrides: Sequence[str] = (),
    render_mode: str | None = None,
) -> RobotwinEnv:
    """What the ids stand for.

    Args:
        task: its name.
        suite: name of a suite, or the path of its file; by default ``robotwin-50`` with a checkout, else
            ``robotwin-smoke``.
        cameras: cameras to observe; None for all that the suite offers, empty for none (nothing is rendered then).
        overrides: changes of the suite, e.g. ``["env_args.action=ee"]``.
        render_mode: ``rgb_array`` or None.

    Raises:
        UsageError: no such suite, task or camera; something is not installed.
    """
    from mmact_eval.config.suite_file import load_suite
    from mmact_eval.envs.robotwin import plugin
    from mmact_eval.errors import UsageError, did_you_mean
    from mmact_eval.protocols import Needs

    name = suite or ("robotwin-50" if os.environ.get("ROBOTWIN_ROOT") else "robotwin-smoke")
    loaded = load_suite(name, tuple(overrides))
    tasks = {known.name: known for known in plugin.tasks(loaded)}
    if task not in tasks:
        hint = " It needs a checkout: set ROBOTWIN_ROOT." if task in STEP_LIMITS else did_you_mean(task, tasks)
        raise UsageError(f'suite {loaded.name} has no task "{task}".{hint}')
    needs = Needs(cameras=loaded.protocol.cameras if cameras is None else tuple(cameras))
    return plugin.make(loaded, tasks[task], needs, render_mode=render_mode)


register()
