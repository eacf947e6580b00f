"""The conditional tasks as LIBERO's own: a bddl file and initial states for each branch."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from mmact_eval.envs.libero.conditional.tasks import Conditional, conditional_tasks
from mmact_eval.envs.libero.task_files import LiberoTask
from mmact_eval.machine.user_folders import cache_folder, for_writing
from mmact_eval.machine.whole_file import write_whole

STATES = Path(__file__).with_name("states")
"""Initial states, drawn by ``scripts/record_conditional.py``; the held-out tasks have the scenes of these."""


@functools.cache
def branch_tasks(benchmark: str) -> tuple[LiberoTask, ...]:
    """Both branches of each task, as tasks of their own: ``bowl_by_drawer__open``, ``bowl_by_drawer__closed``, …

    Upstream reads scenes from files, so they are written to the cache.

    Raises:
        UsageError: the cache cannot be written to.
    """
    tasks = conditional_tasks(benchmark)
    texts = {name: text for task in tasks for name, text in _texts(task).items()}
    digest = hashlib.blake2b("".join(texts.values()).encode(), digest_size=8).hexdigest()
    folder = for_writing(cache_folder() / "libero-conditional" / digest)
    for name, text in texts.items():
        file = folder / f"{name}.bddl"
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            write_whole(file, text)
    return tuple(
        LiberoTask(
            name=branch_name(task, number),
            language=task.instruction,
            bddl_file=folder / f"{branch_name(task, number)}.bddl",
            init_file=STATES / f"{scene_name(task, number)}.npz",
            other_goal=task.branches[1 - number].goal,
        )
        for task in tasks
        for number in (0, 1)
    )


def branch_name(task: Conditional, number: int) -> str:
    """What a branch is called as a task; its number is 0 where the condition is fulfilled, else 1."""
    return f"{task.name}__{task.branches[number].name}"


def scene_name(task: Conditional, number: int) -> str:
    """Branches whose scenes are the same have the same initial states, whatever they are asked for."""
    text = task.branches[number].scene.bddl("", goal=())
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()


def _texts(task: Conditional) -> dict[str, str]:
    return {
        branch_name(task, number): branch.scene.bddl(task.instruction, branch.goal)
        for number, branch in enumerate(task.branches)
    }
