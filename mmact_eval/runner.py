"""One run, from what was asked to the results in its folder."""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from mmact_eval import compat, disturbance, provenance, registry
from mmact_eval.engine.local import EngineOptions, EngineReport, LocalEngine
from mmact_eval.errors import RunAborted, RunFolderError, UsageError
from mmact_eval.plan import plan_episodes, select_tasks, shuffled, suite_tasks
from mmact_eval.policy_output import plain_data
from mmact_eval.progress import Progress
from mmact_eval.protocols import EnvPlugin, Observer, Policy
from mmact_eval.specs import EnvSpec
from mmact_eval.store import RunFolder, read_sessions
from mmact_eval.suite import Suite
from mmact_eval.transcript import TranscriptRecorder
from mmact_eval.types import Episode, EpisodeResult
from mmact_eval.video import VideoMode, VideoRecorder

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Extension:
    """What another command builds on a run, as `record` does.

    Attributes:
        wrap: makes the policy that runs from the one asked for.
        observers: picklable factories of observers, called once an episode in the workers.
        cameras: what these look at, whether the policy does or not.
        artifact: kind of artifact that each success must have. A success whose artifact is not there any more is run
            again, and the run stops when one cannot be made.
        settings: part of the run's fingerprint, by the command's name.
        enough: told each result as it is recorded; once it answers true, the run ends and what is left stays undone.
    """

    wrap: Callable[[Policy], Policy] = lambda policy: policy
    observers: tuple[Callable[[], Observer], ...] = ()
    cameras: tuple[str, ...] = ()
    artifact: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    enough: Callable[[EpisodeResult], bool] = lambda result: False


class _Enough(Exception):
    """Nothing more has to be run."""


@dataclass(frozen=True)
class RunRequest:
    """What a run consists of and how it is executed.

    Attributes:
        suite: with overrides applied.
        overrides: which they were; they only show in the default folder's name.
        policy: a registered name, ``module:attr`` or ``file.py:attr``.
        policy_args: keyword arguments of the policy.
        tasks: which tasks, as `plan.select_tasks` understands it; None for all.
        episodes: episodes a task; None for the suite's number.
        init_states: which init states to start from, as typed; None for all.
        seed: the run's seed.
        out: the run folder; None for one named after suite, policy and seed under ``runs/``.
        video: which videos to keep.
        limit: at most so many episodes now; the rest stays to be done.
        shuffle: run the episodes in a shuffled order (results do not depend on it).
        options: how the engine works.
        extension: what another command adds.
    """

    suite: Suite
    policy: str
    policy_args: Mapping[str, Any] = field(default_factory=dict)
    overrides: Sequence[str] = ()
    tasks: str | None = None
    episodes: int | None = None
    init_states: str | None = None
    seed: int = 0
    out: Path | None = None
    video: VideoMode = "none"
    limit: int | None = None
    shuffle: int | None = None
    options: EngineOptions = field(default_factory=EngineOptions)
    extension: Extension = field(default_factory=Extension)


@dataclass(frozen=True)
class RunOutcome:
    """What a run came to.

    Attributes:
        folder: the run folder.
        manifest: its manifest.
        results: the planned episodes that have a result, in planned order.
        planned: all episodes asked for.
        engine: what the engine can say about itself.
        warnings: in words.
        remarks: what the policy has to say about the results.
    """

    folder: Path
    manifest: Mapping[str, Any]
    results: Sequence[EpisodeResult]
    planned: Sequence[Episode]
    engine: EngineReport
    warnings: Sequence[str]
    remarks: Sequence[str] = ()


def default_folder(request: RunRequest) -> Path:
    """``runs/<suite>/<policy>-seed<seed>``: the same request finds the same folder again.

    Arguments of the policy and changes of the suite (``--set``) add a short hash.
    """
    name = request.policy.rsplit("/", 1)[-1].replace(".py:", "-").replace(":", "-")
    if request.policy_args or request.overrides:
        asked = {"args": plain_data(dict(request.policy_args)), "set": sorted(request.overrides)}
        name += f"-{provenance.digest(asked)[:6]}"
    return Path("runs") / request.suite.name / f"{name}-seed{request.seed}"


def execute(request: RunRequest) -> RunOutcome:
    """Run what is not done yet and return all results.

    Raises:
        UsageError: something asked for does not exist or does not fit; nothing has run.
        RunFolderError: the run folder cannot be used.
        RunAborted: the run stopped early; what was done is on disk.
    """
    suite = request.suite
    plugin = registry.env_plugin(suite.env)
    tasks = select_tasks(suite_tasks(plugin, suite), request.tasks)
    episodes = request.episodes or suite.protocol.episodes
    planned = plan_episodes(suite, tasks, episodes, request.seed, request.init_states)
    env_spec = plugin.spec(suite)
    policy = registry.make_policy(request.policy, request.policy_args, env_spec)
    try:
        policy = request.extension.wrap(policy)
        compat.check(env_spec, policy.spec)
        disturbance.check(suite, env_spec)
        covered = _covered(policy, suite, planned)
        folder = request.out or default_folder(request)
        facts = _prepare_run(plugin, request, planned)
        with RunFolder(folder) as store:
            if len(covered) < len(planned):
                note = f"the policy can act in {len(covered)} of the {len(planned)} episodes asked for"
                store.warnings.append(f"{note}; the others are left out")
            return _execute_in(store, request, plugin, env_spec, policy, covered, facts)
    finally:
        _close(policy)


def _covered(policy: Policy, suite: Suite, planned: list[Episode]) -> list[Episode]:
    """The planned episodes that the policy can act in (see `Policy`).

    Raises:
        UsageError: there are none.
    """
    covers = getattr(policy, "covers", None)
    if not callable(covers):
        return planned
    able = set(covers(suite, planned))
    covered = [episode for episode in planned if episode in able]
    if not covered:
        raise UsageError(f"policy {policy.spec.name} can act in none of the {len(planned)} episodes asked for.")
    return covered


def _transport_args(policy: Policy) -> Collection[str]:
    """Arguments that say how a policy is reached (addresses, time limits), which changes no result."""
    names: Collection[str] = getattr(policy, "transport_args", ())
    return names


def _close(policy: Policy) -> None:
    """Let a policy free what it holds; a failure at this point costs nobody their results."""
    close = getattr(policy, "close", None)
    if callable(close):
        try:
            close()
        except Exception as error:
            log.warning("the policy's close() raised %s: %s", type(error).__name__, error)


def _prepare_run(plugin: EnvPlugin, request: RunRequest, planned: Sequence[Episode]) -> Mapping[str, str]:
    """Let an environment that wants to get ready for these episodes do so; see `protocols.EnvPlugin`."""
    prepare = getattr(plugin, "prepare_run", None)
    if prepare is None:
        return {}
    facts: Mapping[str, str] = prepare(
        request.suite, planned, request.options.workers, lambda text: print(text, file=sys.stderr, flush=True)
    )
    return facts


def _execute_in(
    store: RunFolder,
    request: RunRequest,
    plugin: EnvPlugin,
    env_spec: EnvSpec,
    policy: Policy,
    planned: Sequence[Episode],
    facts: Mapping[str, str],
) -> RunOutcome:
    asked = provenance.fingerprint(
        request.suite,
        policy.spec,
        registry.scheme(request.policy) or request.policy.rsplit("/", 1)[-1],
        {key: value for key, value in request.policy_args.items() if key not in _transport_args(policy)},
        registry.policy_code(request.policy),
        request.seed,
        {**plugin.versions(), **facts},
    ) | dict(request.extension.settings)
    scope = {"tasks": list(dict.fromkeys(episode.task for episode in planned)), "episodes_planned": len(planned)}
    manifest = store.open_manifest({**_manifest(request, env_spec, policy, asked), **scope})
    extension = request.extension
    done = {e: result for e, result in store.open_episodes().items() if not _lacks(extension, store, result)}
    finished = [done[episode] for episode in planned if episode in done and done[episode].outcome != "error"]
    pending = _pending(request, planned, done)
    logs = store.log_folder()
    observers: list[Callable[[], Observer]] = [functools.partial(TranscriptRecorder, store.path.absolute())]
    observers += [*extension.observers, *getattr(policy, "observers", ())]
    if request.suite.protocol.disturbance is not None:
        observers.append(functools.partial(disturbance.DisturbanceRecorder, store.path.absolute()))
    if request.video != "none":
        observers.append(functools.partial(VideoRecorder, store.path.absolute(), request.video))
    options = replace(request.options, log_folder=str(logs.absolute()))

    session = {"event": "start", "command": provenance.command_line(), "pending": len(pending), **scope}
    session |= {"options": asdict(request.options), "machine": provenance.machine()}

    def record_session(prepared: Mapping[str, str]) -> None:
        if (policy.spec.cameras or extension.cameras) and finished:
            _check_renderer(store, prepared)
        store.add_session(**session, prepared=dict(prepared))

    engine = LocalEngine(request.suite, policy, options, observers, record_session, extension.cameras)
    with Progress(len(planned), finished) as progress:
        for warning in store.warnings:
            progress.say(f"warning: {warning}")

        def record(result: EpisodeResult) -> None:
            if _lacks(extension, store, result):
                why = next(
                    (text for kind, text in result.artifacts.items() if kind.endswith("_error")), "it is missing"
                )
                raise RunAborted(
                    f"the {extension.artifact} of {result.episode.key} could not be written: {why}. Everything before "
                    "it is safe; give the same command again to go on."
                )
            store.append(result)
            done[result.episode] = result
            if result.outcome == "error":
                progress.say(f"error in {result.episode.key}: {result.error}")
            for kind, text in result.artifacts.items():
                if kind.endswith("_error"):
                    progress.say(f"warning: {result.episode.key}: no {kind.removesuffix('_error')}: {text}")
            progress.update(result)
            if extension.enough(result):
                raise _Enough

        with _logged_to(logs / "engine.log"), suppress(_Enough):
            engine.run(pending, record)
    for task, left in engine.report.given_up.items():
        store.warnings.append(f"task {task} ended in errors again and again; {left} episodes were not tried")
    if pending:
        store.add_session(event="end", used=asdict(engine.report))
    results = [done[episode] for episode in planned if episode in done]
    remarks = tuple(policy.remarks(results)) if hasattr(policy, "remarks") else ()
    return RunOutcome(store.path, manifest, results, planned, engine.report, tuple(store.warnings), remarks)


def _lacks(extension: Extension, store: RunFolder, result: EpisodeResult) -> bool:
    """Whether a success is without the artifact that it must have."""
    if not extension.artifact or result.outcome != "success":
        return False
    made = result.artifacts.get(extension.artifact)
    return made is None or not (store.path / made).exists()


def _check_renderer(store: RunFolder, prepared: Mapping[str, str]) -> None:
    """Two renderers draw different images, and a policy that looks at them may act differently.

    Raises:
        RunFolderError: the folder's episodes were rendered otherwise.
    """
    for session in read_sessions(store.path):
        before = {key: value for key, value in session.get("prepared", {}).items() if key != "device"}
        changed = provenance.differences(before, {k: v for k, v in prepared.items() if k != "device"})
        if before and changed:
            raise RunFolderError(
                f"{store.path} holds episodes rendered differently ({'; '.join(changed)}). Choose the same backend "
                "(MUJOCO_GL) to continue it, or another folder with --out."
            )


def _pending(request: RunRequest, planned: Sequence[Episode], done: Mapping[Episode, EpisodeResult]) -> list[Episode]:
    """What is left to do. Episodes that ended in errors are tried again, after those that were never tried."""
    fresh = [episode for episode in planned if episode not in done]
    again = [episode for episode in planned if episode in done and done[episode].outcome == "error"]
    if request.shuffle is not None:
        fresh, again = shuffled(fresh, request.shuffle), shuffled(again, request.shuffle)
    pending = fresh + again
    return pending if request.limit is None else pending[: request.limit]


@contextmanager
def _logged_to(file: Path) -> Iterator[None]:
    """Send the engine's own log (tracebacks of policies, mostly) to a file instead of the terminal."""
    logger = logging.getLogger("mmact_eval")
    handler = logging.FileHandler(file, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    before = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()
        logger.propagate = before


def _manifest(request: RunRequest, env_spec: EnvSpec, policy: Policy, asked: Mapping[str, Any]) -> dict[str, Any]:
    spec = policy.spec
    return {
        "fingerprint": dict(asked),
        "digest": provenance.digest(asked),
        "suite": request.suite.model_dump(mode="json", exclude={"protocol"}),
        "protocol": {**request.suite.protocol.model_dump(mode="json"), "replan": asked["protocol"]["replan"]},
        "policy": {
            "target": request.policy,
            "name": spec.name,
            "args": asked["policy"]["args"],
            "checkpoint": spec.checkpoint,
            "chunk": spec.chunk,
            "privileged": spec.privileged,
            "deterministic": spec.deterministic,
            "not_real": spec.not_real,
        },
        "env": provenance.describe_env(env_spec),
        "versions": {**asked["versions"], **provenance.package_versions()},
        "seed": request.seed,
        "command": provenance.command_line(),
    }
