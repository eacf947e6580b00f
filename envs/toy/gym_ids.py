"""Registers ``mmact_eval/Toy-v0`` with Gymnasium, on import.

    import gymnasium
    import mmact_eval.envs.toy.gym_ids

    env = gymnasium.make("mmact_eval/Toy-v0", task="hard", resolution=128)

or in one line, ``gymnasium.make("mmact_eval.envs.toy.gym_ids:mmact_eval/Toy-v0")``.
"""

from __future__ import annotations

import json
from typing import Any

from gymnasium.envs.registration import register as gym_register
from gymnasium.envs.registration import registry

from mmact_eval.config.suite_file import load_suite
from mmact_eval.envs.toy import INIT_STATES, INSTRUCTIONS, plugin
from mmact_eval.envs.toy.env import ToyEnv
from mmact_eval.errors import UsageError, did_you_mean
from mmact_eval.protocols import Needs, Task


def make_gym(task: str = "easy", render_mode: str | None = None, **protocol: Any) -> ToyEnv:
    """What ``gymnasium.make("mmact_eval/Toy-v0", task="hard", resolution=32)`` calls.

    Args:
        task: ``easy`` or ``hard``.
        render_mode: ``rgb_array`` or None; pictures come from `render` either way.
        protocol: fields of `mmact_eval.suite.Protocol` that differ from the suite ``toy``.

    Raises:
        UsageError: an unknown task or field, or a value that makes no sense.
    """
    suite = load_suite("toy", [f"protocol.{field}={json.dumps(value)}" for field, value in protocol.items()])
    if task not in INSTRUCTIONS:
        raise UsageError(f'toy has no task "{task}".{did_you_mean(task, INSTRUCTIONS)}')
    env = plugin.make(suite, Task(task, INSTRUCTIONS[task], INIT_STATES), Needs(cameras=suite.protocol.cameras))
    env.render_mode = render_mode
    return env


def register() -> None:
    """Register the id; again is harmless."""
    if "mmact_eval/Toy-v0" not in registry:
        gym_register(id="mmact_eval/Toy-v0", entry_point=f"{__name__}:make_gym")


register()
