"""What a run is asked for as, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmact_eval.engine.options import EngineOptions, EngineReport
from mmact_eval.errors import UsageError
from mmact_eval.machine import host
from mmact_eval.observers.artifacts import ObserverFactory
from mmact_eval.observers.video import VideoMode
from mmact_eval.policy_output import plain_data
from mmact_eval.protocols import Policy
from mmact_eval.runs import fingerprint as provenance
from mmact_eval.runs.manifest import Manifest
from mmact_eval.runs.shard import Shard, is_part
from mmact_eval.suite import Suite
from mmact_eval.types import Episode, EpisodeResult
from mmact_eval.wording import counted


def _unchanged(policy: Policy) -> Policy:
    return policy


@dataclass(frozen=True)
class Extension:
    """What another command builds on a run, as `record` does.

    Attributes:
        wrap: makes the policy that runs from the one asked for; picklable, for replicas of it.
        observers: picklable factories of observers, called once an episode in the workers; they are told where what
            these make goes.
        cameras: what these look at, whether the policy does or not.
        artifact: kind of artifact that each success must have. A success whose artifact is not there any more is run
            again, and the run stops when one cannot be made. "" says that there is nothing to be kept.
        settings: part of the run's fingerprint, by the command's name.
        asked: what was asked of `wrap`, as it shows in the default folder's name; the fingerprint has it by the spec.
        enough: told each result as it is recorded; once it answers true, the run ends and what is left stays undone.
    """

    wrap: Callable[[Policy], Policy] = _unchanged
    observers: tuple[ObserverFactory, ...] = ()
    cameras: tuple[str, ...] = ()
    artifact: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    asked: Mapping[str, Any] = field(default_factory=dict)
    enough: Callable[[EpisodeResult], bool] = lambda result: False

    def lacks_artifact(self, folder: Path, result: EpisodeResult) -> bool:
        """Whether a success of the run in this folder is without the artifact that it must have."""
        if not self.artifact or result.outcome != "success":
            return False
        made = result.artifacts.get(self.artifact)
        return made is None or (made != "" and not (folder / made).exists())

    def kept(self, folder: Path, found: Mapping[Episode, EpisodeResult]) -> dict[Episode, EpisodeResult]:
        """Of the results found in a run folder those that lack no artifact; the others are made again."""
        return {episode: result for episode, result in found.items() if not self.lacks_artifact(folder, result)}


@dataclass(frozen=True)
class RunRequest:
    """What a run consists of and how it is executed.

    Attributes:
        suite: with overrides applied.
        overrides: which they were; they only show in the default folder's name.
        policy: a registered name, ``module:attr`` or ``file.py:attr``.
        policy_args: keyword arguments of the policy.
        live: a policy object of the caller's, who keeps it, or what makes one; `policy` is then a name for it alone.
        identity: what a policy object is made of, in the caller's words; "" if nothing tells it from others.
        tasks: which tasks, as `plan.select_tasks` understands it; None for all.
        episodes: episodes per task; None for the suite's number.
        init_states: which init states to start from, as typed; None for all.
        chosen: these episodes of the suite, in place of what `tasks`, `episodes` and `init_states` come to.
        seed: the run's seed.
        out: the run folder, of a part too; None for one named after suite, policy and seed under ``runs/``.
        video: which videos to keep.
        plan_reference: the policy that the texts of `policy` are compared with (`observers.plan_reference`).
        limit: at most so many episodes now; the rest stays to be done.
        shard: only this part of the episodes; None for all of them. A folder holds one part.
        shuffle: run the episodes in a shuffled order (results do not depend on it).
        options: how the engine works.
        extension: what another command adds.
        progress: show a bar where somebody watches a terminal.
    """

    suite: Suite
    policy: str
    policy_args: Mapping[str, Any] = field(default_factory=dict)
    live: Policy | Callable[..., Policy] | None = None
    identity: str = ""
    overrides: Sequence[str] = ()
    tasks: str | None = None
    episodes: int | None = None
    init_states: str | None = None
    chosen: Sequence[Episode] = ()
    seed: int = 0
    out: Path | None = None
    video: VideoMode = "none"
    plan_reference: str | None = None
    limit: int | None = None
    shard: Shard | None = None
    shuffle: int | None = None
    options: EngineOptions = field(default_factory=EngineOptions)
    extension: Extension = field(default_factory=Extension)
    progress: bool = True


@dataclass(frozen=True)
class RunOutcome:
    """What a run came to.

    Attributes:
        folder: the run folder.
        manifest: what was asked for, and what it was made with.
        results: the planned episodes that have a result, in planned order.
        planned: all episodes asked for.
        engine: what the engine can say about itself.
        warnings: in words.
        remarks: what the policy has to say about the results.
        videos_missing: how many of the videos asked for are not there.
    """

    folder: Path
    manifest: Manifest
    results: Sequence[EpisodeResult]
    planned: Sequence[Episode]
    engine: EngineReport
    warnings: Sequence[str]
    remarks: Sequence[str] = ()
    videos_missing: int = 0


def default_folder(request: RunRequest) -> Path:
    """``runs/<suite>/<policy>-seed<seed>``: the same request finds the same folder again.

    Arguments of the policy, changes of the suite (``--set``) and what is put around the policy add a short hash. A part
    of a run has a folder below.
    """
    name = host.without_passwords(request.policy).rsplit("/", 1)[-1].replace(".py:", "-").replace(":", "-")
    if request.policy_args or request.overrides or request.extension.asked:
        asked = {"args": plain_data(dict(request.policy_args)), "set": sorted(request.overrides)}
        asked |= request.extension.asked
        name += f"-{provenance.digest(asked)[:6]}"
    return of_part(Path("runs") / request.suite.name / f"{name}-seed{request.seed}", request.shard)


def of_part(folder: Path, shard: Shard | None) -> Path:
    """``FOLDER/shard-0-of-3``: where a part goes whose whole run would go to this folder.

    The part's own folder may be named, too.

    Raises:
        UsageError: the folder is one in which another part lies, or it has parts in it and the whole run is meant.
    """
    if shard is not None and is_part(folder.name):
        if folder.name != shard.folder:
            raise UsageError(
                f"{folder} is the place of another part than {shard}; name the folder that all parts go to: "
                f"{folder.parent}"
            )
        return folder
    if shard is not None:
        return folder / shard.folder
    parts = sorted(path.name for path in folder.glob("shard-*-of-*") if is_part(path.name) and _holds_one(path))
    if parts and not _holds_one(folder):
        raise UsageError(
            f"{folder} holds {counted(len(parts), 'part')} of a run ({parts[0]}, …). `mmact-eval merge {folder} --out "
            "FOLDER` puts them together; a run of its own goes into another folder (--out)."
        )
    return folder


def _holds_one(folder: Path) -> bool:
    """Whether a run or a study is in a folder."""
    return any((folder / name).exists() for name in ("manifest.json", "study.json"))
