"""Registers CALVIN's ids with Gymnasium, on import.

    import gymnasium
    import mmact_eval.envs.calvin.gym_ids

    env = gymnasium.make("mmact_eval/CALVIN-ABC-D-v0")
    observation, info = env.reset(options={"init_state": 6})

or in one line, ``gymnasium.make("mmact_eval.envs.calvin.gym_ids:mmact_eval/CALVIN-Smoke-v0")``, which needs no
download. An episode is a chain of five tasks; the init state is its number. The simulator is imported when an
environment is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmact_eval.envs.calvin.env import CalvinEnv

_NAMESPACE = "mmact_eval"

IDS = {
    f"{_NAMESPACE}/CALVIN-{name}-v0": f"calvin-{name.lower()}"
    for name in ("ABC-D", "ABCD-D", "D-D", "ABC-D-Resampled", "ABCD-D-Resampled", "D-D-Resampled", "Smoke")
}
"""Gymnasium id → suite."""


def register() -> None:
    """Make the ids known to Gymnasium; harmless to repeat."""
    import gymnasium

    for name, suite in IDS.items():
        if name not in gymnasium.registry:
            gymnasium.register(id=name, entry_point=f"{__name__}:make_env", kwargs={"suite": suite})


def make_env(
    suite: str,
    cameras: Sequence[str] | None = None,
    overrides: Sequence[str] = (),
    render_mode: str | None = None,
) -> CalvinEnv:
    """What the ids stand for.

    Args:
        suite: name of a suite, or the path of its file.
        cameras: cameras to observe; None for all that the suite offers, empty for none (nothing is rendered then).
        overrides: changes of the suite, e.g. ``["protocol.stage_steps=100"]``.
        render_mode: ``rgb_array`` or None.

    Raises:
        UsageError: no such suite or camera; pybullet or the assets are missing.
    """
    from mmact_eval.config.suite_file import load_suite
    from mmact_eval.envs.calvin import plugin
    from mmact_eval.protocols import Needs

    loaded = load_suite(suite, tuple(overrides))
    (task,) = plugin.tasks(loaded)
    needs = Needs(cameras=loaded.protocol.cameras if cameras is None else tuple(cameras))
    return plugin.make(loaded, task, needs, render_mode=render_mode)


register()
