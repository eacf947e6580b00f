"""A run whose folder is open: what is done of it, what is left, and where its results go."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mmact_eval.engine.arms import EngineArm
from mmact_eval.engine.options import EngineReport
from mmact_eval.errors import RunAborted, RunFolderError
from mmact_eval.identity.made_policy import MadePolicy
from mmact_eval.machine import host
from mmact_eval.machine.renderers import Renderers
from mmact_eval.observers import video
from mmact_eval.observers.plan_reference import PlanReference
from mmact_eval.observers.transcript import TranscriptRecorder
from mmact_eval.optional import BringsObservers, NamesPermissions, RemarksOnResults, WeighsDifferences
from mmact_eval.policy_output import json_data
from mmact_eval.protocols import EnvPlugin, Observer, Policy
from mmact_eval.runs import fingerprint as provenance
from mmact_eval.runs.earlier_starts import done_before, files_read, wrote
from mmact_eval.runs.episodes import shuffled, suite_tasks
from mmact_eval.runs.folder import RunFolder, all_count, read_manifest, read_sessions
from mmact_eval.runs.missing_videos import SecondRollouts, without_video
from mmact_eval.runs.progress import ArmProgress
from mmact_eval.runs.request import Extension, RunOutcome, RunRequest
from mmact_eval.specs import EnvSpec
from mmact_eval.transforms import disturbance
from mmact_eval.types import Episode, EpisodeResult


class OpenRun:
    """A run between its preparation and its outcome.

    Attributes:
        planned: the episodes that it consists of.
        progress: told of each result; the runner sets it before the engine starts.
    """

    progress: ArmProgress

    def __init__(
        self,
        store: RunFolder,
        request: RunRequest,
        plugin: EnvPlugin,
        env_spec: EnvSpec,
        made: MadePolicy,
        policy: Policy,
        planned: Sequence[Episode],
        facts: Mapping[str, str],
        reference: PlanReference | None = None,
    ) -> None:
        """Open the folder for these episodes.

        Args:
            store: the folder, locked.
            request: what was asked for.
            plugin, env_spec: of its suite.
            made: the policy asked for.
            policy: which acts, as the request's extension wraps it.
            planned: those that the policy covers.
            facts: what else the results depend on, for the fingerprint.
            reference: what the policy's texts are compared with.

        Raises:
            RunFolderError: it holds another run, or cannot be used.
        """
        self.planned = planned
        self._store = store
        self._request = request
        self._made = made
        self._policy = policy
        self._reference = reference
        suite = provenance.binding(request.suite, plugin.permissions if isinstance(plugin, NamesPermissions) else ())
        asked = provenance.fingerprint(
            suite, policy.spec, made, request.seed, {**plugin.versions(), **facts}, env_spec.physics
        ) | dict(request.extension.settings)
        _leave_outputs_alone(store, asked)
        tasks = list(dict.fromkeys(episode.task for episode in planned))
        in_suite = len(suite_tasks(plugin, request.suite))
        self._scope = {"tasks": tasks, "tasks_in_suite": in_suite, "episodes_planned": len(planned)}
        manifest = {**_manifest(request, env_spec, policy, asked), **self._scope}
        weigh = policy.weigh if isinstance(policy, WeighsDifferences) else all_count
        self._manifest = store.open_manifest(manifest, weigh)
        found = store.open_episodes()
        self._done = {e: result for e, result in found.items() if not _lacks(request.extension, store, result)}
        self._pending = pending_episodes(request, planned, self._done, store.path)
        again = frozenset(episode for episode in self._pending if self._is_completed(episode))
        self._films = SecondRollouts(store.path, request.video, again)
        self._noted: Mapping[str, Any] = {"read": {}, "wrote": {}}
        self._started = False
        looks = bool(policy.spec.cameras or request.extension.cameras)
        completed = any(result.outcome != "error" for result in found.values())
        earlier = read_sessions(store.path) if completed else []
        self._renderers = Renderers(store.path, earlier, looks and not request.options.allow_renderer)
        if self.finished:
            _check_files_read(store, made)

    @property
    def finished(self) -> list[EpisodeResult]:
        """The planned episodes that are done and need not be tried again."""
        return [self._done[episode] for episode in self.planned if self._is_completed(episode)]

    @property
    def left_alone(self) -> list[EpisodeResult]:
        """Of the finished ones those that are not rolled out again for their video."""
        return [result for result in self.finished if result.episode not in self._films.episodes]

    def _is_completed(self, episode: Episode) -> bool:
        return episode in self._done and self._done[episode].outcome != "error"

    @property
    def warnings(self) -> Sequence[str]:
        """What was wrong with the files found, in words."""
        return self._store.warnings

    @property
    def done_before(self) -> str:
        """How many episodes were done before this start, and by which command; "" if none was."""
        return done_before(self._store.path, len(self.finished), len(self.planned))

    def engine_arm(self, model: Policy) -> EngineArm:
        """What the engine has to do; `model` is the policy without the extension's wrapper."""
        return EngineArm(
            suite=self._request.suite,
            policy=self._policy,
            episodes=self._pending,
            on_result=self._record,
            observers=self._observers(),
            watched=self._request.extension.cameras,
            watched_truth=self._reference is not None and self._reference.privileged,
            on_ready=self._worker_ready,
            log_folder=str(self._store.log_folder().absolute()),
            model=model,
        )

    def outcome(self, report: EngineReport) -> RunOutcome:
        """What the run came to.

        Args:
            report: the engine's.
        """
        store = self._store
        store.require_in_place()
        for task, left in report.given_up.items():
            store.warnings.append(f"task {task} ended in errors again and again; {left} episodes were not tried")
        if self._pending:
            with contextlib.suppress(RunFolderError):  # a full disk; the results are on it
                store.add_session(event="end", used=asdict(report))
        results = [self._done[episode] for episode in self.planned if episode in self._done]
        missing, told = self._films.missing(results)
        if missing:
            store.warnings.append(told)
        remarks = tuple(self._policy.remarks(results)) if isinstance(self._policy, RemarksOnResults) else ()
        return RunOutcome(
            store.path, self._manifest, results, self.planned, report, tuple(store.warnings), remarks, missing
        )

    def _observers(self) -> list[Callable[[], Observer]]:
        request, folder = self._request, self._store.path.absolute()
        observers: list[Callable[[], Observer]] = [functools.partial(TranscriptRecorder, folder, self._reference)]
        observers += request.extension.observers
        if isinstance(self._policy, BringsObservers):
            observers += self._policy.observers
        if request.suite.protocol.disturbance is not None:
            observers.append(functools.partial(disturbance.DisturbanceRecorder, folder))
        observers = self._films.spared(observers)
        if request.video != "none":
            observers.append(functools.partial(video.VideoRecorder, folder, request.video))
        return observers

    def _worker_ready(self, prepared: Mapping[str, str]) -> None:
        """A worker is ready: check that it draws as those before, and note once that the run goes on."""
        new = self._renderers.see(prepared)
        if not self._started:
            self._start_session(prepared)
        elif new:
            self._store.add_session(event="renderer", prepared=dict(prepared))
        self._started = True

    def _start_session(self, prepared: Mapping[str, str]) -> None:
        request = self._request
        if self._films.episodes:
            self.progress.say(self._films.announced)
        self._store.add_session(
            event="start",
            command=host.command_line(),
            pending=len(self._pending),
            **self._scope,
            options=asdict(request.options),
            machine=host.machine(),
            prepared=dict(prepared),
        )

    def _note_files(self) -> None:
        """Note what the policy has read and written since it was made, before a result that may depend on it."""
        found = {"read": self._made.read_since(), "wrote": self._made.wrote()}
        if found != self._noted:
            self._store.add_session(event="files", **found)
            self._noted = found

    def _record(self, result: EpisodeResult) -> bool:
        """Write a result down and say whether that is enough.

        Raises:
            RunAborted: it, or what it must have, could not be written.
        """
        if result.episode in self._films.episodes:
            self._record_video(result)
            return False
        self._store.require_in_place(result)
        extension = self._request.extension
        if _lacks(extension, self._store, result):
            why = next((text for kind, text in result.artifacts.items() if kind.endswith("_error")), "it is missing")
            raise RunAborted(
                f"the {extension.artifact} of {result.episode.key} could not be written: {why}. Everything before "
                "it is safe; give the same command again to go on."
            )
        self._note_files()
        self._store.append(result)
        self._done[result.episode] = result
        if result.outcome == "error" and result.error_kind != "contract":  # which ends the run, saying so itself
            self.progress.say(f"error in {result.episode.key}: {result.error}")
        for kind, text in result.artifacts.items():
            if kind.endswith("_error"):
                self.progress.say(f"warning: {result.episode.key}: no {kind.removesuffix('_error')}: {text}")
        self.progress.update(result)
        return extension.enough(result)

    def _record_video(self, again: EpisodeResult) -> None:
        """Add the video to the result of an episode that was rolled out again for it."""
        before = self._done[again.episode]
        kept, why = self._films.keep(before, again)
        if why:
            self.progress.say(f"warning: {again.episode.key}: no video: {why}")
        else:
            self._store.append(kept)
            self._done[again.episode] = kept
        self.progress.update(before)


def _leave_outputs_alone(store: RunFolder, asked: Mapping[str, Any]) -> None:
    """What an earlier start saw the policy write is no part of it: for that, keep what the folder says."""
    for part, names in wrote(store.path).items():
        before = read_manifest(store.path)["fingerprint"]["policy"].get(part) or {}
        now = asked["policy"].get(part) or {}
        kept = {name: found for name, found in now.items() if name not in names}
        kept |= {name: before[name] for name in names if name in before}
        if kept:
            asked["policy"][part] = kept
        else:
            asked["policy"].pop(part, None)


def _check_files_read(store: RunFolder, made: MadePolicy) -> None:
    """What the policy read while it acted is part of it, too; the fingerprint was written before.

    Raises:
        RunFolderError: a file that it has read for the folder's episodes is another one now.
    """
    own = wrote(store.path).get("code", ())
    before = {name: found for name, found in files_read(store.path).items() if name not in own}
    changed = provenance.differences(before, made.read_again(before), "policy.code.")
    if changed:
        raise RunFolderError(provenance.made_differently(f"{store.path} holds a run", changed))


def _lacks(extension: Extension, store: RunFolder, result: EpisodeResult) -> bool:
    """Whether a success is without the artifact that it must have."""
    if not extension.artifact or result.outcome != "success":
        return False
    made = result.artifacts.get(extension.artifact)
    return made is None or (made != "" and not (store.path / made).exists())


def pending_episodes(
    request: RunRequest, planned: Sequence[Episode], done: Mapping[Episode, EpisodeResult], folder: Path
) -> list[Episode]:
    """What is left to do. Episodes that ended in errors are tried again, after those that were never tried.

    Last come those that are done and have no video in `folder` though it is asked for.
    """
    fresh = [episode for episode in planned if episode not in done]
    again = [episode for episode in planned if episode in done and done[episode].outcome == "error"]
    completed = [done[episode] for episode in planned if episode in done and done[episode].outcome != "error"]
    unseen = [result.episode for result in without_video(folder, request.video, completed)]
    if request.shuffle is not None:
        fresh, again, unseen = (shuffled(part, request.shuffle) for part in (fresh, again, unseen))
    pending = fresh + again + unseen
    return pending if request.limit is None else pending[: request.limit]


def _manifest(request: RunRequest, env_spec: EnvSpec, policy: Policy, asked: Mapping[str, Any]) -> dict[str, Any]:
    spec = policy.spec
    return {
        "fingerprint": dict(asked),
        "digest": provenance.digest(asked),
        "suite": request.suite.model_dump(mode="json", exclude={"protocol"}),
        "protocol": {**request.suite.protocol.model_dump(mode="json"), "replan": asked["protocol"]["replan"]},
        "policy": {
            "target": host.without_passwords(request.policy),
            "name": spec.name,
            "args": asked["policy"]["args"],
            **{
                name: json_data(getattr(spec, name))
                for name in ("checkpoint", "chunk", "privileged", "deterministic", "not_real")
            },
        },
        "env": provenance.describe_env(env_spec),
        "versions": {**asked["versions"], **host.package_versions()},
        "seed": request.seed,
        "command": host.command_line(),
    }
