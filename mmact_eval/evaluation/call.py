"""The call."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from mmact_eval import registry
from mmact_eval.engine.options import EngineOptions
from mmact_eval.errors import UsageError
from mmact_eval.evaluation.arguments import as_typed, heard_by, policy_of, suite_of, whole, with_processes
from mmact_eval.evaluation.results import Results
from mmact_eval.machine.user_folders import expanded
from mmact_eval.observers.video import VideoMode
from mmact_eval.protocols import Policy
from mmact_eval.runs import runner
from mmact_eval.runs.request import Extension, RunRequest
from mmact_eval.suite import Suite
from mmact_eval.types import EpisodeResult


def evaluate(
    policy: str | Policy | Callable[..., Policy],
    suite: str | Path | Suite,
    *,
    tasks: str | int | Iterable[str | int] | None = None,
    episodes: int | None = None,
    init_states: str | Iterable[int] | None = None,
    seed: int = 0,
    workers: int = 1,
    policy_replicas: int | Literal["auto"] | None = None,
    out: str | Path | None = None,
    on_episode: Callable[[EpisodeResult], object] | None = None,
    policy_args: Mapping[str, Any] | None = None,
    identity: str = "",
    changes: Mapping[str, Any] | None = None,
    video: VideoMode = "none",
    options: EngineOptions | None = None,
    progress: bool = True,
) -> Results:
    """Evaluate a policy on a suite.

    The policy acts in this process and the simulators run in others, so a model that is being trained is asked where
    it is. May be called any number of times in a process. Ctrl-C ends the workers and raises `KeyboardInterrupt`; what
    was finished is in `out`, and the same call resumes it.

    Args:
        policy: a policy object (``spec``, ``reset``, ``act``: see `mmact_eval.protocols.Policy`), which stays yours and
            is not closed; a class or function that makes one; or a text as on the command line: a registered name,
            ``module:attr``, ``file.py:attr``, ``ws://host:port``.
        suite: a name such as ``libero-object``, the path of a YAML file, or a `Suite`.
        tasks: numbers, names or patterns, or a text such as ``"0,3-5,*milk*"``; None for all.
        episodes: episodes per task; None for the suite's number; with `init_states` one from each, if that is
            fewer.
        init_states: numbers, or a text such as ``"0-19"``, in this order; None for all.
        seed: the run's seed.
        workers: worker processes.
        policy_replicas: processes that make the policy and answer in this one's place, each on a GPU of its own; the
            policy must then be a text. ``"auto"``: as many as there are GPUs. 0: this process answers. None: as
            `options` say.
        out: the run folder, resumed if it holds part of the same run; None for one that is deleted with the results.
        on_episode: called with each result as it is finished, in this thread; True ends the run there.
        policy_args: keyword arguments for a policy that is made here.
        identity: what a policy object is made of, such as ``"run 7, step 1200"``. Weights in memory cannot be told
            apart by their content, so `out` is only resumed for an object with the same identity.
        changes: fields of the suite, such as ``{"protocol.max_steps": 100}`` or ``{"protocol": {"max_steps": 100}}``;
            what is not named stays.
        video: which episodes to keep a video of.
        options: how the engine works; `workers` and `policy_replicas` win over its numbers.
        progress: show a bar where somebody watches a terminal.

    Raises:
        UsageError: something asked for does not exist or does not fit; nothing has run.
        RunFolderError: `out` holds another run, or cannot be used.
        RunAborted: the run stopped early; what was done is in `out`.
    """
    made_suite = suite_of(suite, changes or {})
    live, name = policy_of(policy)
    seed = whole(seed, "seed")
    episodes = None if episodes is None else whole(episodes, "episodes", at_least=1)
    if video not in get_args(VideoMode):
        raise UsageError(f'video is one of {", ".join(get_args(VideoMode))}, not "{video}".')
    if live is None and identity:
        raise UsageError("identity is for a policy object; what is made here is known by its content.")
    if registry.is_policy(live) and policy_args:
        raise UsageError("policy_args are for a policy that is made here; this one is made already.")
    if out is not None and not str(out):
        raise UsageError("out is empty; None means a folder that is deleted with the results.")
    scratch = _Scratch() if out is None else None
    request = RunRequest(
        suite=made_suite,
        overrides=tuple(f"{key}={value}" for key, value in (changes or {}).items()),
        policy=name,
        policy_args=dict(policy_args or {}),
        live=live,
        identity=identity,
        tasks=as_typed(tasks, "tasks"),
        episodes=episodes,
        init_states=as_typed(init_states, "init_states"),
        seed=seed,
        out=Path(scratch.name) / "run" if scratch else expanded(str(out)),
        video=video,
        options=with_processes(options, workers, policy_replicas),
        extension=Extension(enough=heard_by(on_episode)),
        progress=progress,
    )
    return Results.of(runner.execute(request), scratch)


def load_results(folders: str | Path | Sequence[str | Path]) -> Results:
    """The results of a run folder, or of several that are parts of one run.

    Raises:
        RunFolderError: it is no run folder, cannot be read or contradicts itself.
        UsageError: several that were made differently.
    """
    given = [folders] if isinstance(folders, str | Path) else folders
    paths = [expanded(folder).absolute() for folder in given]  # whatever becomes the working folder
    if not paths:
        raise UsageError("load_results takes the folder of a run.")
    return Results(tuple(paths))


class _Scratch:
    """A temporary folder that goes with this object. A forked process leaves it to the one that made it."""

    def __init__(self) -> None:
        self.name = tempfile.mkdtemp(prefix="mmact-eval-")
        weakref.finalize(self, _remove, self.name, os.getpid())


def _remove(folder: str, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
