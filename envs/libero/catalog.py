"""What LIBERO's benchmarks contain, read from its files without importing the simulator.

Importing `libero.libero.envs` takes seconds and settles on a renderer; `libero.libero.benchmark` does neither.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from typing import Any, get_args

from mmact_eval.envs.libero import upstream
from mmact_eval.envs.libero.conditional import tasks as conditional
from mmact_eval.envs.libero.conditional.files import branch_tasks
from mmact_eval.envs.libero.task_files import InstructionSource, LiberoTask
from mmact_eval.errors import UsageError, did_you_mean
from mmact_eval.protocols import Task
from mmact_eval.suite import Suite

STANDARD = ("libero_spatial", "libero_object", "libero_goal", "libero_10", "libero_90")
_VARIED = STANDARD[:4]
_VARIATIONS = ("lan", "object", "swap", "task")
PRO = tuple(f"{name}_{variation}" for name in _VARIED for variation in _VARIATIONS)
BENCHMARKS = STANDARD + PRO
"""Names of `env_args.benchmark`. LIBERO knows more, but their bddl files or init states were never published."""

KNOWN = BENCHMARKS + conditional.BENCHMARKS
"""Those and our own."""


@dataclass(frozen=True)
class LiberoArgs:
    """A suite's ``env_args``.

    Attributes:
        benchmark: one of `KNOWN`.
        instruction: see `InstructionSource`; by default ``bddl`` for LIBERO-PRO's variants, else ``filename``.
        physics: see `mmact_eval.envs.libero.physics`, which checks it; by default ``published``.
    """

    benchmark: str
    instruction: InstructionSource
    physics: str

    @classmethod
    def of(cls, suite: Suite) -> LiberoArgs:
        """The suite's arguments, checked.

        Raises:
            UsageError: an unknown argument, benchmark or instruction source.
        """
        args: dict[str, Any] = dict(suite.env_args)
        benchmark = args.pop("benchmark", None)
        if benchmark not in KNOWN:
            raise UsageError(
                f"suite {suite.name}: env_args.benchmark is {benchmark!r}, must be one of {', '.join(KNOWN)}."
                + did_you_mean(str(benchmark), KNOWN)
            )
        instruction = args.pop("instruction", "bddl" if benchmark in PRO else "filename")
        if instruction not in get_args(InstructionSource):
            raise UsageError(
                f"suite {suite.name}: env_args.instruction is {instruction!r}, must be filename or bddl (or left out)."
            )
        physics = args.pop("physics", "published")
        if args:
            raise UsageError(
                f"suite {suite.name}: unknown env_args {', '.join(sorted(args))}; "
                "known: benchmark, instruction, physics."
            )
        return cls(benchmark=str(benchmark), instruction=instruction, physics=str(physics))


@functools.cache
def benchmark_tasks(benchmark: str) -> tuple[LiberoTask, ...]:
    """All tasks of a benchmark in its default order (task order 0).

    Raises:
        UsageError: LIBERO is not installed, or hidden by another package of its name.
    """
    if benchmark in conditional.BENCHMARKS:
        return branch_tasks(benchmark)
    # Upstream announces each benchmark on standard output, which may be somebody's JSON.
    with upstream.importing():
        from libero.libero.benchmark import get_benchmark

        found = get_benchmark(benchmark)()
    bddl = upstream.own_folder() / "bddl_files"
    init = upstream.own_folder() / "init_files"
    return tuple(
        LiberoTask(
            name=task.name,
            language=task.language,
            bddl_file=bddl / task.problem_folder / task.bddl_file,
            init_file=init / task.problem_folder / task.init_states_file,
        )
        for task in found.tasks
    )


def find_task(benchmark: str, name: str) -> LiberoTask:
    """A task by its name.

    Raises:
        UsageError: there is none of that name.
    """
    tasks = {task.name: task for task in benchmark_tasks(benchmark)}
    if name not in tasks:
        raise UsageError(f'{benchmark} has no task "{name}".{did_you_mean(name, tasks)}')
    return tasks[name]


def suite_tasks(suite: Suite) -> list[Task]:
    """The tasks of a suite in the benchmark's order, or those it names, in its order.

    Raises:
        UsageError: wrong ``env_args``, or an unknown task.
    """
    args = LiberoArgs.of(suite)
    return [
        Task(name=task.name, instruction=task.instruction(args.instruction), init_states=len(task.init_states()))
        for task in _chosen(suite, args)
    ]


def files_digest(suite: Suite) -> str:
    """A hash of the files that say what a suite's tasks are: scenes, goals and initial states.

    Raises:
        UsageError: as `suite_tasks`.
    """
    digest = hashlib.blake2b(digest_size=8)
    for task in _chosen(suite, LiberoArgs.of(suite)):
        for part in (task.name.encode(), task.bddl_file.read_bytes(), task.init_states().tobytes()):
            digest.update(hashlib.blake2b(part).digest())
    return digest.hexdigest()


def _chosen(suite: Suite, args: LiberoArgs) -> list[LiberoTask]:
    if suite.tasks:
        return [find_task(args.benchmark, name) for name in suite.tasks]
    return list(benchmark_tasks(args.benchmark))
