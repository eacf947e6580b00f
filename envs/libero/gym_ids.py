"""Registers LIBERO's ids with Gymnasium, on import.

    import gymnasium
    import mmact_eval.envs.libero.gym_ids

    env = gymnasium.make("mmact_eval/LIBERO-Object-Swap-v0", task=3)

or in one line, ``gymnasium.make("mmact_eval.envs.libero.gym_ids:mmact_eval/LIBERO-Long-v0")``. The simulator is
imported when an environment is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmact_eval.envs.libero.env import LiberoEnv

_NAMESPACE = "mmact_eval"
_VARIED = ("Spatial", "Object", "Goal", "Long")
_VARIATIONS = ("Lan", "Object", "Swap", "Task")

IDS = {
    f"{_NAMESPACE}/LIBERO-{name}-v0": f"libero-{name.lower()}"
    for name in (
        *_VARIED,
        "90",
        *(f"{varied}-{variation}" for varied in _VARIED for variation in _VARIATIONS),
    )
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
    task: int | str = 0,
    cameras: Sequence[str] | None = None,
    overrides: Sequence[str] = (),
    render_mode: str | None = None,
) -> LiberoEnv:
    """What the ids stand for.

    Args:
        suite: name of a suite, or the path of its file.
        task: index (from 0) or name of the task.
        cameras: cameras to observe; None for all that the suite offers, empty for none (nothing is rendered then).
        overrides: changes of the suite, e.g. ``["protocol.resolution=128"]``.
        render_mode: ``rgb_array`` or None.

    Raises:
        UsageError: no such suite, task or camera; LIBERO is not installed.
    """
    from mmact_eval.config.suite_file import load_suite
    from mmact_eval.envs.libero import plugin
    from mmact_eval.errors import UsageError, did_you_mean
    from mmact_eval.protocols import Needs

    loaded = load_suite(suite, tuple(overrides))
    tasks = plugin.tasks(loaded)
    if isinstance(task, str):
        chosen = next((known for known in tasks if known.name == task), None)
        if chosen is None:
            raise UsageError(f'{loaded.name} has no task "{task}".{did_you_mean(task, [t.name for t in tasks])}')
    elif 0 <= task < len(tasks):
        chosen = tasks[task]
    else:
        raise UsageError(f"{loaded.name} has {len(tasks)} tasks; there is no number {task} (they count from 0).")
    needs = Needs(cameras=loaded.protocol.cameras if cameras is None else tuple(cameras))
    return plugin.make(loaded, chosen, needs, render_mode=render_mode)


register()
