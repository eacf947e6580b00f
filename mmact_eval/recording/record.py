"""`record`: a run that keeps its successes as demonstrations, and the data set made of them.

OUT/data  OUT/meta  OUT/videos    the data set
OUT/run/                          the run folder, as of any run
OUT/run/demonstrations/           what the data set is made of
"""

from __future__ import annotations

import functools
import importlib.util
import time
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mmact_eval import registry
from mmact_eval.errors import UsageError
from mmact_eval.observers.video_encoder import require_encoder
from mmact_eval.policy_output import plain_data
from mmact_eval.protocols import Policy
from mmact_eval.recording.layout import ImageFormat, Layout
from mmact_eval.recording.lead_in import LeadIn, LedIn
from mmact_eval.recording.perturbed import Perturbed
from mmact_eval.recording.recorder import ARTIFACT, DemonstrationRecorder
from mmact_eval.runs.episodes import suite_tasks
from mmact_eval.runs.folder import RunFolder
from mmact_eval.runs.manifest import Manifest
from mmact_eval.runs.reading import read_episodes
from mmact_eval.runs.runner import Extension, RunOutcome, RunRequest, execute
from mmact_eval.specs import EnvSpec
from mmact_eval.suite import Protocol
from mmact_eval.types import EpisodeResult

RUN = "run"
STAGING = "demonstrations"

_DATA_SET = ("meta", "data", "videos")


@dataclass(frozen=True)
class RecordOptions:
    """How demonstrations are recorded; all of it is in the run's fingerprint.

    Attributes:
        images: ``video`` or ``png``.
        noise: standard deviation of the noise on executed actions, in their unit.
        random_start: steps of random motion before the policy takes over.
        every: frames between two that are drawn.
        lead_in: another policy that acts first, None for nobody.
    """

    images: ImageFormat = "video"
    noise: float = 0.0
    random_start: int = 0
    every: int = 1
    lead_in: LeadIn | None = None


@dataclass(frozen=True)
class RecordOutcome:
    """What a recording came to.

    Attributes:
        run: of the run.
        folder: of the data set.
        episodes, frames, bytes: of the data set; 0 if there is none, because nothing has ever succeeded.
        added: demonstrations recorded by this call.
        seconds: what these took, the making of the data set included.
    """

    run: RunOutcome
    folder: Path
    episodes: int
    frames: int
    bytes: int
    added: int
    seconds: float


def record(request: RunRequest, folder: Path, options: RecordOptions) -> RecordOutcome:
    """Run what is not done yet, keep the successes, and make the data set of all of them.

    Args:
        request: which episodes, which policy; its `out` and `extension` are set here.
        folder: for the data set.
        options: how.

    Raises:
        UsageError, RunFolderError, RunAborted: as `runner.execute`; or the folder holds something else.
    """
    _require_packages()
    if options.images == "video":
        require_encoder("record with --images png")
    folder = folder.absolute()  # before a policy's code may change the working folder
    _check(folder)
    start = time.perf_counter()
    env_spec = registry.env_plugin(request.suite.env).spec(request.suite)
    layout = Layout.of(env_spec, options.images, options.every)
    run_folder = folder / RUN
    before = set(_successes(run_folder))
    with closing(_Recorded(request.suite.protocol, options, env_spec)) as wrap:
        extension = Extension(
            wrap=wrap,
            observers=(functools.partial(DemonstrationRecorder, staging=STAGING, layout=layout),),
            cameras=tuple(layout.cameras),
            artifact=ARTIFACT,
            settings={"recording": plain_data(_settings(options))},
        )
        outcome = execute(replace(request, out=run_folder, extension=extension))
    demonstrations = _successes(run_folder)
    made = _data_set(request, folder, layout, outcome.manifest, list(demonstrations.values()))
    added = len(set(demonstrations) - before)
    return RecordOutcome(outcome, folder, *made, added, time.perf_counter() - start)


def _data_set(
    request: RunRequest, folder: Path, layout: Layout, manifest: Manifest, demonstrations: list[str]
) -> tuple[int, int, int]:
    """Make the data set of these demonstrations, task by task in the suite's order.

    Returns:
        Its episodes, frames and bytes.
    """
    from mmact_eval.recording.assemble import assemble
    from mmact_eval.recording.staging import Staged, read, remove_unfinished

    plugin = registry.env_plugin(request.suite.env)
    order = {task.name: number for number, task in enumerate(suite_tasks(plugin, request.suite))}

    def place(demonstration: Staged) -> tuple[int, str, int, int]:
        episode = demonstration.episode
        return order.get(episode.task, len(order)), episode.task, episode.seed, episode.init_state

    with RunFolder(folder / RUN):  # its lock
        remove_unfinished(folder / RUN / STAGING)
        staged = sorted((read(folder / RUN / made) for made in demonstrations), key=place)
        if not staged:
            return 0, 0, 0
        made = assemble(folder, layout, staged, _about(manifest))
    return made.episodes, made.frames, made.bytes


class _Recorded:
    """Makes the policy that is recorded of the one asked for."""

    def __init__(self, protocol: Protocol, options: RecordOptions, env_spec: EnvSpec) -> None:
        self._asked = protocol, options, env_spec
        self._held = ExitStack()

    def __reduce__(self) -> tuple[type[_Recorded], tuple[Protocol, RecordOptions, EnvSpec]]:
        return _Recorded, self._asked  # a replica makes a lead-in of its own

    def __call__(self, policy: Policy) -> Policy:
        protocol, options, env_spec = self._asked
        if options.noise or options.random_start:
            policy = Perturbed(policy, protocol, options.noise, options.random_start)
        if options.lead_in:
            first = options.lead_in
            leader = registry.make_policy(first.policy, first.args, env_spec)
            self._held.callback(registry.close_policy, leader.policy)
            policy = LedIn(policy, leader.policy, protocol, first.steps, {**leader.code, **leader.paths})
        return policy

    def close(self) -> None:
        """Close the lead-in."""
        self._held.close()


def _settings(options: RecordOptions) -> dict[str, Any]:
    """Without a lead-in, nothing is said about it: data sets recorded before there was one can still be extended."""
    return {name: value for name, value in asdict(options).items() if name != "lead_in" or value}


def _successes(run_folder: Path) -> dict[str, str]:
    """The successes of a run that have a demonstration: episode key → where it is, relative to the run folder."""
    found: dict[str, str] = {}
    for episode, result in read_episodes(run_folder)[0].items():
        made = _demonstration(result)
        if made and (run_folder / made).exists():
            found[episode.key] = made
    return found


def _demonstration(result: EpisodeResult) -> str | None:
    return result.artifacts.get(ARTIFACT) if result.outcome == "success" else None


def _about(manifest: Manifest) -> dict[str, Any]:
    """What ``meta/mmact_eval.json`` says: the run's manifest, without what only concerns this machine."""
    conventions = {
        "images": f"{manifest.env.image_convention}; the first row is the top of the picture as the policy sees it",
        "frames": "frame t holds the observation before action t; the frame after the last action is not in the data",
        "action": "as executed; intended_action is what the policy meant, without noise: learn from that",
        "subgoal_frame_index": "the frame of the episode at which the current sub-task is over",
    }
    if manifest.made_with.drawn_every > 1:
        conventions["image_age"] = "steps since the pictures were drawn; where it is not 0 they repeat the last ones"
    return {"conventions": conventions, **manifest.about_results()}


def _require_packages() -> None:
    if importlib.util.find_spec("pyarrow") is None:
        raise UsageError("recording needs the package \"pyarrow\": pip install 'mmact-eval[record]'")


def _check(folder: Path) -> None:
    """Refuse a folder that holds something else than a recording that can go on.

    Raises:
        UsageError: it does.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; --out takes a folder.")
    if (folder / RUN / "manifest.json").exists():
        return
    there = [part for part in _DATA_SET if (folder / part).exists()]
    if there:
        raise UsageError(
            f"{folder} holds a data set already and no {RUN}/ folder that it was recorded in, so it cannot be "
            "extended. Choose another folder with --out."
        )
